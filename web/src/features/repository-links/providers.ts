import type { RepositoryProvider } from "../../api/types";

export const PROVIDERS: { value: RepositoryProvider; label: string }[] = [
  { value: "local", label: "On this machine" },
  { value: "github", label: "GitHub" },
  { value: "gitlab", label: "GitLab" },
];

export const providerLabel = (provider: RepositoryProvider) =>
  PROVIDERS.find((each) => each.value === provider)?.label ?? provider;
