import { useMediaQuery } from "@mantine/hooks";

/** Below this width panes become tabs and the side bar becomes a bottom bar. Mirrors the style sheets. */
export function useNarrow(): boolean {
  return useMediaQuery("(max-width: 1023px)", undefined, { getInitialValueInEffect: false }) ?? false;
}

/** Three columns need this much. */
export function useWide(): boolean {
  return useMediaQuery("(min-width: 1200px)", undefined, { getInitialValueInEffect: false }) ?? true;
}
