import { useNavigate, useSearch } from "@tanstack/react-router";

/** The drawer that makes a new thing. It is open at `?new=true`, so that any other page can lead straight to it. */
export function useNewForm() {
  const search: { new?: boolean } = useSearch({ strict: false });
  const navigate = useNavigate();
  return {
    opened: search.new ?? false,
    open: () => void navigate({ to: ".", search: { new: true } }),
    close: () => void navigate({ to: ".", search: {}, replace: true }),
  };
}
