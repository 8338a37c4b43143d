import type { SandboxSession } from "../../api/types";

/** What its maker calls it, else the beginning of its id. */
export function sandboxName({ id, metadata }: Pick<SandboxSession, "id" | "metadata">): string {
  const { name, title } = metadata;
  const called = [name, title].find((each) => typeof each === "string" && each !== "");
  return typeof called === "string" ? called : id.slice(0, 13);
}
