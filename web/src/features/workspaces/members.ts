// What the page and its drawer know of members.

import { useQueryClient } from "@tanstack/react-query";
import { keys } from "../../api/queries";
import type { Role } from "../../api/types";

export const ROLES: { value: Role; label: string }[] = [
  { value: "member", label: "Member" },
  { value: "admin", label: "Admin" },
  { value: "owner", label: "Owner" },
];

export const roleLabel = (role: Role) => ROLES.find((each) => each.value === role)?.label ?? role;

export function useRefresh() {
  const queries = useQueryClient();
  return () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: keys.members }),
      queries.invalidateQueries({ queryKey: keys.me }),
    ]);
}
