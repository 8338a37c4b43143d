// Whether any run but the example's can be carried out here.

import { useQuery } from "@tanstack/react-query";
import { systemQuery } from "../../api/queries";

/** Why runs end at once: no model is configured. Null where one is, and until that is known. */
export function useModelRefusal(isAsked = true): string | null {
  return useQuery({ ...systemQuery, enabled: isAsked }).data?.model.refusal ?? null;
}

/** The run ended for want of a model, and there still is none: to run it again would end the same way. */
export function useLacksModel(run: { error: string | null } | undefined): boolean {
  const refusal = useModelRefusal(Boolean(run?.error));
  return refusal !== null && run?.error === refusal;
}
