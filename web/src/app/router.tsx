// The addresses of the app. Every page is its own chunk, loaded when its address is first near.

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { isProblem } from "../api/problem";
import { incidentQuery, keys, meQuery, mergeRequestQuery, queryClient, runQuery } from "../api/queries";
import { EmptyNote, ErrorNote } from "../components/note";
import { Page } from "../components/page";
import { Shell } from "./shell";

const root = createRootRoute({ component: Outlet, notFoundComponent: NowhereBare });

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { next?: string } =>
    typeof search.next === "string" && /^\/(?!\/)/.test(search.next) ? { next: search.next } : {},
  component: lazyRouteComponent(() => import("../features/account/sign-in")),
});

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  component: Shell,
  // Beside the page's own code and data, not before them.
  loader: async ({ location }) => {
    try {
      await queryClient.ensureQueryData(meQuery);
    } catch (error) {
      // Anything but a missing session is shown in place, with a way to retry.
      if (needsSignIn(error))
        throw redirect({ to: "/sign-in", search: { next: location.href }, replace: true });
    }
  },
});

const inbox = createRoute({
  getParentRoute: () => shell,
  path: "/",
  component: lazyRouteComponent(() => import("../features/inbox/inbox-page")),
});

const incidents = createRoute({
  getParentRoute: () => shell,
  path: "/incidents",
  component: lazyRouteComponent(() => import("../features/incidents/incidents-page")),
});

const incident = createRoute({
  getParentRoute: () => shell,
  path: "/incidents/$id",
  loader: ({ params }) => void queryClient.prefetchQuery(incidentQuery(params.id)),
  component: lazyRouteComponent(() => import("../features/incidents/incident-page")),
});

const runs = createRoute({
  getParentRoute: () => shell,
  path: "/runs",
  validateSearch: newSearch,
  component: lazyRouteComponent(() => import("../features/runs/runs-page")),
});

const run = createRoute({
  getParentRoute: () => shell,
  path: "/runs/$id",
  loader: ({ params }) => void queryClient.prefetchQuery(runQuery(params.id)),
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("../features/runs/run-page")),
});

const mergeRequests = createRoute({
  getParentRoute: () => shell,
  path: "/merge-requests",
  component: lazyRouteComponent(() => import("../features/merge-requests/merge-requests-page")),
});

const mergeRequest = createRoute({
  getParentRoute: () => shell,
  path: "/merge-requests/$id",
  loader: ({ params }) => void queryClient.prefetchQuery(mergeRequestQuery(params.id)),
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("../features/merge-requests/merge-request-page")),
});

const sandboxes = createRoute({
  getParentRoute: () => shell,
  path: "/sandboxes",
  component: lazyRouteComponent(() => import("../features/sandboxes/sandboxes-page")),
});

const repositories = createRoute({
  getParentRoute: () => shell,
  path: "/repositories",
  validateSearch: newSearch,
  component: lazyRouteComponent(() => import("../features/repository-links/repository-links-page")),
});

const alertSources = createRoute({
  getParentRoute: () => shell,
  path: "/alert-sources",
  validateSearch: newSearch,
  component: lazyRouteComponent(() => import("../features/alert-sources/alert-sources-page")),
});

const apiKeys = createRoute({
  getParentRoute: () => shell,
  path: "/api-keys",
  validateSearch: newSearch,
  component: lazyRouteComponent(() => import("../features/api-keys/api-keys-page")),
});

const account = createRoute({
  getParentRoute: () => shell,
  path: "/account",
  component: lazyRouteComponent(() => import("../features/account/account-page")),
});

const workspace = createRoute({
  getParentRoute: () => shell,
  path: "/workspace",
  validateSearch: newSearch,
  component: lazyRouteComponent(() => import("../features/workspaces/workspace-page")),
});

function needsSignIn(error: unknown): boolean {
  return isProblem(error) && (error.signedOut || error.status === 403);
}

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    shell.addChildren([
      inbox,
      incidents,
      incident,
      runs,
      run,
      mergeRequests,
      mergeRequest,
      sandboxes,
      repositories,
      alertSources,
      apiKeys,
      account,
      workspace,
    ]),
  ]),
  defaultPreload: "intent",
  defaultErrorComponent: ({ error, reset }) => (
    <Page bare title="Error" here="Error">
      <ErrorNote error={error} retry={reset} />
    </Page>
  ),
  defaultNotFoundComponent: Nowhere,
});

/** A session can end while a page is open: the next refused answer leads to the sign-in card, and back here after. */
queryClient.getQueryCache().subscribe(({ type, query }) => {
  const { error } = query.state;
  if (type !== "updated" || !isProblem(error) || !error.signedOut) return;
  const { pathname, href } = router.state.location;
  if (pathname === "/sign-in" || router.state.status === "pending") return;
  queryClient.removeQueries({ queryKey: keys.me });
  void router.navigate({ to: "/sign-in", search: { next: href } });
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

/** Which tab of a page is open; absent for the first. */
function tabSearch(search: Record<string, unknown>): { tab?: string } {
  return typeof search.tab === "string" ? { tab: search.tab } : {};
}

/** `?new=1` opens the form, so that another page can lead straight to it. */
function newSearch(search: Record<string, unknown>): { new?: boolean } {
  return search.new ? { new: true } : {};
}

function Nowhere() {
  return (
    <Page bare title="Not found" here="Not found">
      <EmptyNote>There is no page at this address.</EmptyNote>
    </Page>
  );
}

function NowhereBare() {
  return <EmptyNote action={<a href="/">Go to the inbox</a>}>There is no page at this address.</EmptyNote>;
}
