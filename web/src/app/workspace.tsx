import { createContext, useContext, useEffect } from "react";
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

/** A link may lead to another workspace of mine: what surrounds the thing follows it there. */
export function useWorkspaceOf({ workspace_uid: of }: { workspace_uid: string }): void {
  const { uid, user, choose } = useWorkspace();
  const isMine = user.workspaces.some((each) => each.uid === of);
  useEffect(() => {
    if (isMine && of !== uid) choose(of);
  }, [isMine, of, uid, choose]);
}
