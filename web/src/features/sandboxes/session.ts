import type { SandboxSession } from "../../api/types";

/** What its maker calls it, else the beginning of its id. */
export function sandboxName({ id, metadata }: Pick<SandboxSession, "id" | "metadata">): string {
  const { name, title } = metadata;
  const called = [name, title].find((each) => typeof each === "string" && each !== "");
  return typeof called === "string" ? called : id.slice(0, 13);
}

/** What its maker asked for; a server gives every sandbox limits of its own where nobody did. */
export function limits({ cpu, memory, ephemeral_storage: storage }: SandboxSession): string {
  const asked = [cpu && `${cpu} cores`, memory && `${memory} memory`, storage && `${storage} storage`];
  return asked.filter(Boolean).join(", ") || "the server’s own";
}
