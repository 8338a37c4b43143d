// The frame around every page of a signed-in person: side bar or bottom bar, keyboard, palette, and who is asking.

import { Menu, useMantineColorScheme } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { api, ask } from "../api/client";
import { inboxQuery, keys, meQuery } from "../api/queries";
import { Glyph, Mark } from "../components/glyph";
import { ErrorNote } from "../components/note";
import { pressKey, useCommands } from "./commands";
import { MAIN, type NavEntry, SETTINGS } from "./nav";
import { onOpenPalette, openPalette } from "./palette-door";
import css from "./shell.module.css";
import { useWorkspace, WorkspaceContext } from "./workspace";

const Palette = lazy(() => import("./palette"));
const Help = lazy(() => import("./help"));

const WORKSPACE_KEY = "astraforge-workspace";

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
  const navigate = useNavigate();

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
  ]);

  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main">
        Skip to content
      </a>
      <SideBar onHelp={() => setHelp(true)} />
      <Outlet />
      <BottomBar />
      <Suspense fallback={null}>
        {palette && <Palette onClose={() => setPalette(false)} />}
        {help && <Help onClose={() => setHelp(false)} />}
      </Suspense>
    </div>
  );
}

function SideBar({ onHelp }: { onHelp: () => void }) {
  const { user } = useWorkspace();
  return (
    <nav className={css.side} aria-label="Main">
      <WorkspaceMenu />
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
  const count = inbox.data?.needs_you.length ?? 0;
  if (count === 0) return null;
  return (
    <span className={className}>
      {count}
      <span className="visually-hidden"> need you</span>
    </span>
  );
}

function WorkspaceMenu() {
  const { uid, name, user, choose } = useWorkspace();
  return (
    <Menu position="bottom-start" width="target">
      <Menu.Target>
        <button type="button" className={css.workspace} aria-label={`Workspace ${name}`}>
          <Mark />
          <span className={css.workspaceName}>{name}</span>
          <Glyph name="updown" />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {user.workspaces.map((each) => (
          <Menu.Item
            key={each.uid}
            onClick={() => choose(each.uid)}
            rightSection={each.uid === uid ? <Glyph name="check" /> : null}
          >
            {each.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function PersonMenu({ name }: { name: string }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const signOut = async () => {
    await ask(api.POST("/api/auth/logout/")).catch(() => undefined);
    queries.removeQueries({ queryKey: keys.me });
    await navigate({ to: "/sign-in", search: {} });
    queries.clear();
  };
  return (
    <Menu position="top-start">
      <Menu.Target>
        <button type="button" className={css.personButton}>
          {name}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <SchemeItems />
        <Menu.Divider />
        <Menu.Item onClick={() => void signOut()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function SchemeItems() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const choices = [
    ["auto", "As the system"],
    ["light", "Light"],
    ["dark", "Dark"],
  ] as const;
  return choices.map(([value, label]) => (
    <Menu.Item
      key={value}
      onClick={() => setColorScheme(value)}
      rightSection={colorScheme === value ? <Glyph name="check" /> : null}
    >
      {label}
    </Menu.Item>
  ));
}

function BottomBar() {
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
      <MoreMenu entries={more} active={more.some((entry) => pathname.startsWith(entry.to))} />
    </nav>
  );
}

function MoreMenu({ entries, active }: { entries: NavEntry[]; active: boolean }) {
  const navigate = useNavigate();
  return (
    <Menu position="top-end" width={220}>
      <Menu.Target>
        <button type="button" className={css.bottomEntry} data-status={active ? "active" : undefined}>
          <Glyph name="more" size={20} />
          More
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {entries.map((entry) => (
          <Menu.Item
            key={entry.to}
            leftSection={<Glyph name={entry.glyph} />}
            onClick={() => void navigate({ to: entry.to })}
          >
            {entry.label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <SchemeItems />
      </Menu.Dropdown>
    </Menu>
  );
}
