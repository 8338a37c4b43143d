import { createContext, useContext } from "react";
import type { Role, User } from "../api/types";

export interface WorkspaceChoice {
  uid: string;
  name: string;
  role: Role;
  user: User;
  choose: (uid: string) => void;
}

export const WorkspaceContext = createContext<WorkspaceChoice | null>(null);

/** The workspace every list and form of the app speaks about. */
export function useWorkspace(): WorkspaceChoice {
  const choice = useContext(WorkspaceContext);
  if (!choice) throw new Error("useWorkspace is called outside the shell");
  return choice;
}
