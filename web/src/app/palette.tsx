// ⌘K: pages, and the incidents, runs and merge requests that are already known, by any part of their name.

import { Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { incidentsQuery, mergeRequestsQuery, runsQuery } from "../api/queries";
import { Glyph, type GlyphName } from "../components/glyph";
import { Inline } from "../components/inline";
import { allCommands } from "./commands";
import { MAIN, SETTINGS } from "./nav";
import css from "./palette.module.css";
import { useWorkspace } from "./workspace";

interface Choice {
  id: string;
  glyph: GlyphName;
  label: string;
  meta: string;
  run: () => void;
}

const SHOWN_MAX = 40;

export default function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const choices = useChoices()
    .filter((choice) => matches(`${choice.label} ${choice.meta}`, text))
    .slice(0, SHOWN_MAX);
  const chosen = choices[Math.min(at, choices.length - 1)];

  useEffect(() => {
    if (chosen) document.getElementById(`choice-${chosen.id}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const take = (choice: Choice | undefined) => {
    if (!choice) return;
    onClose();
    choice.run();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(at + 1, choices.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else if (event.key === "Enter") take(chosen);
    else return;
    event.preventDefault();
  };

  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      centered={false}
      padding={0}
      size="lg"
      yOffset="12vh"
      title="Find or run"
      classNames={{ header: "visually-hidden" }}
    >
      <input
        className={css.input}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
        placeholder="Find a run, an incident, a file, a command"
        aria-label="Find or run"
        role="combobox"
        aria-expanded="true"
        aria-controls="choices"
        aria-activedescendant={chosen ? `choice-${chosen.id}` : undefined}
        data-autofocus
      />
      <div id="choices" role="listbox" aria-label="Results" className={css.list} ref={list}>
        {choices.map((choice) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input above handles the keys of the whole list.
          <div
            key={choice.id}
            id={`choice-${choice.id}`}
            role="option"
            tabIndex={-1}
            aria-selected={choice === chosen}
            className={css.choice}
            onClick={() => take(choice)}
          >
            <Glyph name={choice.glyph} />
            <span className={css.label}>
              <Inline text={choice.label} />
            </span>
            <span className={css.meta}>{choice.meta}</span>
          </div>
        ))}
      </div>
      {choices.length === 0 && <p className={css.none}>Nothing is called “{text}”.</p>}
    </Modal>
  );
}

function useChoices(): Choice[] {
  const { uid } = useWorkspace();
  const navigate = useNavigate();
  const incidents = useQuery({ ...incidentsQuery(uid), refetchInterval: false });
  const runs = useQuery({ ...runsQuery(uid), refetchInterval: false });
  const mergeRequests = useQuery({ ...mergeRequestsQuery(uid), refetchInterval: false });
  const pages: Choice[] = [...MAIN, ...SETTINGS].map((entry) => ({
    id: `page${entry.to.replaceAll("/", "-")}`,
    glyph: entry.glyph,
    label: entry.label,
    meta: entry.keys ?? "",
    run: () => void navigate({ to: entry.to }),
  }));
  const commands: Choice[] = allCommands()
    // The pages stand above, under their own names.
    .filter((command) => !command.keys?.startsWith("g "))
    .map((command, index) => ({
      id: `command-${index}`,
      glyph: "right",
      label: command.label,
      meta: command.keys ?? "",
      run: command.run,
    }));
  return [
    ...pages,
    ...commands,
    ...(incidents.data ?? []).map(
      (each): Choice => ({
        id: each.id,
        glyph: "incident",
        label: each.title,
        meta: each.short_id,
        run: () => void navigate({ to: "/incidents/$id", params: { id: each.id } }),
      }),
    ),
    ...(runs.data ?? []).map(
      (each): Choice => ({
        id: each.id,
        glyph: "run",
        label: each.request_title,
        meta: `run ${each.number}`,
        run: () => void navigate({ to: "/runs/$id", params: { id: each.id } }),
      }),
    ),
    ...(mergeRequests.data ?? []).map(
      (each): Choice => ({
        id: each.id,
        glyph: "merge_request",
        label: each.title,
        meta: `!${each.number}`,
        run: () => void navigate({ to: "/merge-requests/$id", params: { id: each.id } }),
      }),
    ),
  ];
}

function matches(name: string, text: string): boolean {
  const lower = name.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => lower.includes(word));
}
