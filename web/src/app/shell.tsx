// The frame around every page of a signed-in person: side bar or bottom bar, keyboard, palette, and who is asking.

import { useMantineColorScheme } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { api, ask } from "../api/client";
import { inboxQuery, keys, meQuery } from "../api/queries";
import { Glyph, Mark } from "../components/glyph";
import { Menu, MenuItem, MenuLabel, MenuLine } from "../components/menu";
import { ErrorNote } from "../components/note";
import { pressKey, useCommands } from "./commands";
import { MAIN, type NavEntry, SETTINGS } from "./nav";
import { onOpenPalette, openPalette } from "./palette-door";
import css from "./shell.module.css";
import { useWorkspace, WorkspaceContext } from "./workspace";

const Palette = lazy(() => import("./palette"));
const Help = lazy(() => import("./help"));
const NewWorkspace = lazy(() => import("../features/workspaces/new-workspace"));

const WORKSPACE_KEY = "astraforge-workspace";
const SCHEMES = [
  ["auto", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
] as const;

export function Shell() {
  const me = useQuery(meQuery);
  const [chosen, choose] = useState(() => localStorage.getItem(WORKSPACE_KEY));

  const workspace = useMemo(() => {
    const user = me.data;
    if (!user) return null;
    const found =
      user.workspaces.find((each) => each.uid === chosen) ??
      user.workspaces.find((each) => each.uid === user.default_workspace) ??
      user.workspaces[0];
    return {
      uid: found?.uid ?? "",
      name: found?.name ?? "No workspace",
      role: found?.role ?? ("member" as const),
      user,
      choose: (uid: string) => {
        localStorage.setItem(WORKSPACE_KEY, uid);
        choose(uid);
      },
    };
  }, [me.data, chosen]);

  if (me.error && !me.data) return <ErrorNote error={me.error} retry={() => me.refetch()} />;
  if (!workspace) return <div className={css.shell} aria-busy="true" />;
  return (
    <WorkspaceContext value={workspace}>
      <Frame />
    </WorkspaceContext>
  );
}

function Frame() {
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const [founding, setFounding] = useState(false);
  const navigate = useNavigate();
  const { user, uid } = useWorkspace();
  const enter = useEnter();
  const signOut = useSignOut();
  const { setColorScheme } = useMantineColorScheme();

  useEffect(() => onOpenPalette(() => setPalette(true)), []);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        openPalette();
      } else pressKey(event);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  useCommands([
    ...MAIN.filter((entry) => entry.keys).map((entry) => ({
      keys: entry.keys ?? "",
      label: `Go to ${entry.label.toLowerCase()}`,
      run: () => void navigate({ to: entry.to }),
    })),
    { keys: "?", label: "Show all keys", run: () => setHelp(true) },
    { label: "New request", run: () => void navigate({ to: "/runs", search: { new: true } }) },
    {
      label: "Connect a repository",
      run: () => void navigate({ to: "/repositories", search: { new: true } }),
    },
    { label: "Connect alerts", run: () => void navigate({ to: "/alert-sources", search: { new: true } }) },
    { label: "New API key", run: () => void navigate({ to: "/api-keys", search: { new: true } }) },
    { label: "New workspace", run: () => setFounding(true) },
    ...user.workspaces
      .filter((each) => each.uid !== uid)
      .map((each) => ({ label: `Go to workspace ${each.name}`, run: () => enter(each.uid) })),
    ...SCHEMES.map(([value, label]) => ({
      label: `Colours: ${label.toLowerCase()}`,
      run: () => setColorScheme(value),
    })),
    { label: "Change my password", run: () => void navigate({ to: "/account" }) },
    { label: "Sign out", run: () => void signOut() },
  ]);

  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main">
        Skip to content
      </a>
      <SideBar onHelp={() => setHelp(true)} onFound={() => setFounding(true)} />
      <Outlet />
      <BottomBar onFound={() => setFounding(true)} />
      <Suspense fallback={null}>
        {palette && <Palette onClose={() => setPalette(false)} />}
        {help && <Help onClose={() => setHelp(false)} />}
        {founding && (
          <NewWorkspace
            onClose={() => setFounding(false)}
            onMade={(made) => {
              setFounding(false);
              enter(made);
            }}
          />
        )}
      </Suspense>
    </div>
  );
}

/** What is on the screen belongs to the workspace that is left, so the way leads to the new one's inbox. */
function useEnter() {
  const { choose } = useWorkspace();
  const navigate = useNavigate();
  return (uid: string) => {
    choose(uid);
    void navigate({ to: "/" });
  };
}

function useSignOut() {
  const navigate = useNavigate();
  const queries = useQueryClient();
  return async () => {
    await ask(api.POST("/api/auth/logout/")).catch(() => undefined);
    queries.removeQueries({ queryKey: keys.me });
    await navigate({ to: "/sign-in", search: {} });
    queries.clear();
  };
}

function SideBar({ onHelp, onFound }: { onHelp: () => void; onFound: () => void }) {
  const { user } = useWorkspace();
  return (
    <nav className={css.side} aria-label="Main">
      <WorkspaceMenu onFound={onFound} />
      <ul className={css.list}>
        {MAIN.map((entry) => (
          <SideEntry key={entry.to} entry={entry} />
        ))}
      </ul>
      <ul className={css.list}>
        {SETTINGS.map((entry) => (
          <SideEntry key={entry.to} entry={entry} />
        ))}
      </ul>
      <div className={css.person}>
        <PersonMenu name={user.email || user.username} />
        <button
          type="button"
          className={css.help}
          onClick={onHelp}
          aria-label="Show all keys"
          title="Show all keys"
        >
          ?
        </button>
      </div>
    </nav>
  );
}

function SideEntry({ entry }: { entry: NavEntry }) {
  return (
    <li>
      <Link
        to={entry.to}
        className={css.entry}
        activeOptions={{ exact: entry.to === "/" }}
        title={entry.label}
      >
        <Glyph name={entry.glyph} />
        <span className={css.label}>{entry.label}</span>
        {entry.to === "/" && <NeedsYou className={css.count} />}
      </Link>
    </li>
  );
}

function NeedsYou({ className }: { className: string | undefined }) {
  const { uid } = useWorkspace();
  const inbox = useQuery(inboxQuery(uid));
  const count = inbox.data?.totals.needs_you ?? 0;
  if (count === 0) return null;
  return (
    <span className={className}>
      {count}
      <span className="visually-hidden"> need you</span>
    </span>
  );
}

function WorkspaceMenu({ onFound }: { onFound: () => void }) {
  const { name } = useWorkspace();
  return (
    <Menu
      className={css.workspace}
      label={`Workspace ${name}`}
      align="start"
      fit
      face={
        <>
          <Mark />
          <span className={css.workspaceName}>{name}</span>
          <Glyph name="updown" />
        </>
      }
    >
      <WorkspaceItems onFound={onFound} />
    </Menu>
  );
}

function WorkspaceItems({ onFound }: { onFound: () => void }) {
  const { uid, user } = useWorkspace();
  const enter = useEnter();
  return (
    <>
      {user.workspaces.map((each) => (
        <MenuItem
          key={each.uid}
          onClick={() => enter(each.uid)}
          right={each.uid === uid ? <Glyph name="check" /> : null}
        >
          {each.name}
        </MenuItem>
      ))}
      <MenuItem onClick={onFound} left={<Glyph name="plus" />}>
        New workspace
      </MenuItem>
    </>
  );
}

function PersonMenu({ name }: { name: string }) {
  const navigate = useNavigate();
  const signOut = useSignOut();
  return (
    <Menu className={css.personButton} face={name} above align="start">
      <SchemeItems />
      <MenuLine />
      <MenuItem onClick={() => void navigate({ to: "/account" })}>Account</MenuItem>
      <MenuItem onClick={() => void signOut()}>Sign out</MenuItem>
    </Menu>
  );
}

function SchemeItems() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return SCHEMES.map(([value, label]) => (
    <MenuItem
      key={value}
      onClick={() => setColorScheme(value)}
      right={colorScheme === value ? <Glyph name="check" /> : null}
    >
      {label}
    </MenuItem>
  ));
}

function BottomBar({ onFound }: { onFound: () => void }) {
  const { pathname } = useLocation();
  const more = [...MAIN.slice(3), ...SETTINGS];
  return (
    <nav className={css.bottom} aria-label="Main, narrow">
      {MAIN.slice(0, 3).map((entry) => (
        <Link
          key={entry.to}
          to={entry.to}
          className={css.bottomEntry}
          activeOptions={{ exact: entry.to === "/" }}
        >
          <span className={css.bottomGlyph}>
            <Glyph name={entry.glyph} size={20} />
            {entry.to === "/" && <NeedsYou className={css.bottomCount} />}
          </span>
          {entry.label}
        </Link>
      ))}
      <MoreMenu
        entries={more}
        active={more.some((entry) => pathname.startsWith(entry.to))}
        onFound={onFound}
      />
    </nav>
  );
}

function MoreMenu({
  entries,
  active,
  onFound,
}: {
  entries: NavEntry[];
  active: boolean;
  onFound: () => void;
}) {
  const navigate = useNavigate();
  const signOut = useSignOut();
  const { user } = useWorkspace();
  return (
    <Menu
      className={css.bottomEntry}
      active={active}
      above
      face={
        <>
          <Glyph name="more" size={20} />
          More
        </>
      }
    >
      {entries.map((entry) => (
        <MenuItem
          key={entry.to}
          left={<Glyph name={entry.glyph} />}
          onClick={() => void navigate({ to: entry.to })}
        >
          {entry.label}
        </MenuItem>
      ))}
      <MenuLine />
      <MenuLabel>Workspaces</MenuLabel>
      <WorkspaceItems onFound={onFound} />
      <MenuLine />
      <MenuLabel>Colours</MenuLabel>
      <SchemeItems />
      <MenuLine />
      <MenuItem onClick={() => void navigate({ to: "/account" })}>Account</MenuItem>
      <MenuItem onClick={() => void signOut()}>Sign out {user.username}</MenuItem>
    </Menu>
  );
}
