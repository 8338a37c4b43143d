// The run: steps, the work, and the proof with the facts. Three columns where there is room, tabs where there is not.

import { Button, Skeleton } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { api, ask } from "../../api/client";
import { keys, waits } from "../../api/queries";
import type { RunDetail, RunEvent, StepName } from "../../api/types";
import { useArrived } from "../../app/arrival";
import { useCommands } from "../../app/commands";
import { useNarrow, useWide } from "../../app/media";
import { useWorkspaceOf } from "../../app/workspace";
import { Terminal } from "../../components/code/terminal";
import { Counts } from "../../components/diff/counts";
import { Diff } from "../../components/diff/diff";
import { type DiffFile, parseDiff, totals } from "../../components/diff/parse";
import { ConfirmItem, DotsMenu } from "../../components/dots-menu";
import { Follow } from "../../components/follow";
import { grouped } from "../../components/format";
import { Glyph } from "../../components/glyph";
import { breakable, Inline } from "../../components/inline";
import { MenuItem, MenuLink } from "../../components/menu";
import { ErrorNote, FailureLine } from "../../components/note";
import { Page, PageHead } from "../../components/page";
import { ProofStrip } from "../../components/proof/strip";
import { StateWord } from "../../components/state-icon";
import { runSaid, STEPS, stepLabel } from "../../components/states";
import { panelProps, type Tab, Tabs } from "../../components/tabs";
import { toMs } from "../../components/time/format";
import { Ago, Clock } from "../../components/time/now";
import { foldActivity, foldLog } from "./activity";
import { ActivityView } from "./activity-view";
import { Composer } from "./composer";
import { RunFacts } from "./facts";
import { LiveLine, SilenceRow } from "./live-line";
import { rerunDefault, rerunSteps } from "./rerun";
import css from "./run-page.module.css";
import { StepsBar, StepsRail } from "./steps-rail";
import { useLacksModel } from "./use-model";
import { type LiveRun, useRun } from "./use-run";

type TabId = "proof" | "activity" | "diff" | "files" | "log" | "steps" | "facts";

const NOW_LINES = 4;
const PARENT = { label: "Runs", to: "/runs" } as const;

export default function RunPage() {
  const { id } = useParams({ from: "/shell/runs/$id" });
  const live = useRun(id);
  const arrived = useArrived(live.run);
  if (live.error && !live.run) {
    return (
      <Page bare title="Run" here="Run" parent={PARENT}>
        <ErrorNote error={live.error} retry={live.retry} />
      </Page>
    );
  }
  if (!live.run || !arrived) return <RunSkeleton />;
  return <LoadedRun key={id} live={live} run={live.run} />;
}

function LoadedRun({ live, run }: { live: LiveRun; run: RunDetail }) {
  useWorkspaceOf(run);
  const narrow = useNarrow();
  const wide = useWide();
  const search = useSearch({ from: "/shell/runs/$id" });
  const navigate = useNavigate();
  const acts = useRunActs(run);
  const fate = run.merge_request_status;
  const decided = fate === "MERGED" || fate === "CLOSED";
  const [chosen, choose] = useState<StepName | null>(null);
  const lacksModel = useLacksModel(run);
  const canRerun = !live.moving && fate !== "MERGED" && !lacksModel;
  const selected = canRerun ? (chosen ?? rerunDefault(run.steps)) : null;
  const rail = (
    <>
      <StepsRail
        steps={run.steps}
        selected={selected}
        choices={canRerun ? rerunSteps(run.steps) : []}
        onSelect={choose}
      />
      {selected && <RetryButton acts={acts} step={selected} />}
    </>
  );
  const files = useMemo(() => parseDiff(run.diff), [run.diff]);
  const tabs = useTabs(live.events.length, files, { proof: narrow || !wide, steps: narrow });
  const [first] = useState<TabId>(() => (proofHasBegun(run) ? "proof" : "activity"));
  const tab = tabs.find((each) => each.id === search.tab)?.id ?? (narrow ? first : "activity");
  const setTab = (next: TabId) => void navigate({ to: ".", search: { tab: next }, replace: true });

  useCommands([
    ...(live.moving ? [{ label: "Cancel the run", run: () => acts.cancel.mutate() }] : []),
    ...(canRerun ? [{ label: "Rerun from the start", run: () => acts.retry.mutate(null) }] : []),
  ]);

  return (
    <Page
      title={`Run ${run.number}`}
      here={
        narrow ? (
          <>
            Run {run.number}{" "}
            <code className={css.muted}>
              <Clock from={run.started_at} to={run.finished_at} />
            </code>
          </>
        ) : (
          <span>{run.number}</span>
        )
      }
      parent={PARENT}
      panes
      streamLostAt={
        live.moving && live.stream.state === "broken"
          ? (live.stream.lastFrameAt ?? lastEventAt(live.events))
          : null
      }
      actions={
        <>
          {run.merge_request_id && (
            <MergeRequestLink id={run.merge_request_id} primary={!decided && !live.moving} />
          )}
          {live.moving && (
            <Button onClick={() => acts.cancel.mutate()} loading={acts.cancel.isPending}>
              Cancel run
            </Button>
          )}
          <MoreMenu acts={acts} moving={live.moving} canRerun={canRerun} run={run} />
        </>
      }
      phoneActions={<MoreMenu acts={acts} moving={live.moving} canRerun={canRerun} run={run} phone />}
    >
      <RunHead run={run} moving={live.moving} narrow={narrow} decided={decided} />
      {live.moving && (
        <SilenceRow run={run} lastEventAt={lastEventAt(live.events)} onCancel={() => acts.cancel.mutate()} />
      )}
      {acts.error ? (
        <div className={css.failure}>
          <FailureLine error={acts.error} />
        </div>
      ) : null}
      <div className={css.columns}>
        {!narrow && (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a column that scrolls must be reachable by keyboard.
          <aside className={css.railColumn} aria-label="Steps of the run" tabIndex={0}>
            {rail}
          </aside>
        )}
        <div className={css.work}>
          <Tabs label="Parts of the run" tabs={tabs} value={tab} onChange={setTab} />
          <Follow
            key={tab}
            growth={live.events}
            following={live.moving && (tab === "activity" || tab === "log")}
            className={css.pane}
            tabIndex={0}
            {...panelProps(tab)}
          >
            <Pane tab={tab} run={run} live={live} files={files} rail={rail} />
          </Follow>
          {fate === "MERGED" ? (
            <p className={css.over}>
              Its merge request is merged. Further work is a{" "}
              <Link to="/runs" search={{ new: true }}>
                new request
              </Link>
              .
            </p>
          ) : (
            <Composer requestId={run.request_id} moving={live.moving} />
          )}
        </div>
        {wide && !narrow && (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a column that scrolls must be reachable by keyboard.
          <aside className={css.factsColumn} aria-label="Proof and facts" tabIndex={0}>
            <ProofPane run={run} />
            <RunFacts run={run} />
          </aside>
        )}
      </div>
    </Page>
  );
}

function Pane({
  tab,
  run,
  live,
  files,
  rail,
}: {
  tab: TabId;
  run: RunDetail;
  live: LiveRun;
  files: DiffFile[];
  rail: ReactNode;
}): ReactNode {
  switch (tab) {
    case "proof":
      return (
        <>
          <ProofPane run={run} />
          {live.moving && <NowPane events={live.events} />}
          <RunFactsUnlessNarrow run={run} />
        </>
      );
    case "diff":
      return <Diff files={files} plain />;
    case "files":
      return <FilesPane files={files} />;
    case "log":
      return <LogPane events={live.events} moving={live.moving} />;
    case "steps":
      return <div className={css.padded}>{rail}</div>;
    case "facts":
      return <RunFacts run={run} />;
    default:
      return <ActivityView events={live.events} moving={live.moving} />;
  }
}

function RunFactsUnlessNarrow({ run }: { run: RunDetail }) {
  return useNarrow() ? null : <RunFacts run={run} />;
}

/** Before that a phone's first screen is what the agent does. */
function proofHasBegun(run: RunDetail): boolean {
  return run.verdict !== null || run.tests.length > 0 || run.step === "prove";
}

function ProofPane({ run }: { run: RunDetail }) {
  return (
    <div className={css.proof}>
      <ProofStrip
        proof={run}
        proving={run.step === "prove" && run.status === "running"}
        bundleName={`run-${run.number}.dsse.json`}
      />
    </div>
  );
}

/** The last lines of what runs at this moment. */
function NowPane({ events }: { events: RunEvent[] }) {
  const item = useMemo(() => foldActivity(events).at(-1)?.items.at(-1), [events]);
  if (item?.kind !== "command" || !item.running) return null;
  return (
    <section className={css.now} aria-label="Now">
      <h2>
        Now <code className={css.muted}>{item.command}</code>
      </h2>
      {item.output.length > 0 && (
        <Terminal lines={item.output.slice(-NOW_LINES)} label="Newest output" live />
      )}
    </section>
  );
}

function FilesPane({ files }: { files: DiffFile[] }) {
  if (files.length === 0) return <p className={css.none}>Nothing is changed yet.</p>;
  return (
    <ul className={css.files}>
      {files.map((file) => (
        <li key={file.path}>
          <code>{breakable(file.path)}</code>
          {file.change !== "changed" && <span className={css.muted}>{file.change}</span>}
          <Counts additions={file.additions} deletions={file.deletions} />
        </li>
      ))}
    </ul>
  );
}

function LogPane({ events, moving }: { events: RunEvent[]; moving: boolean }) {
  const lines = useMemo(() => foldLog(events), [events]);
  if (lines.length === 0)
    return <p className={css.none}>{moving ? "No output yet." : "No output was recorded."}</p>;
  return (
    <div className={css.log}>
      <p className={css.muted}>{grouped(lines.length)} lines</p>
      <Terminal lines={lines} label="Log of the run" live={moving} />
    </div>
  );
}

interface HeadProps {
  run: RunDetail;
  moving: boolean;
  narrow: boolean;
  decided: boolean;
}

function RunHead({ run, moving, narrow, decided }: HeadProps) {
  const you = useLacksModel(run) ? "configure a model" : yourPart(run, moving, decided);
  const said = runSaid(run);
  const step = run.step ? STEPS.indexOf(run.step) + 1 : 0;
  const line = (
    <div className={css.state}>
      <StateWord state={said.state}>
        {said.word}
        {narrow && moving && step > 0 ? `, step ${step} of ${STEPS.length}` : ""}
      </StateWord>
      {!narrow && moving && <LiveLine run={run} />}
      {!moving && run.finished_at && !(narrow && run.status === "failed") && (
        <span className={css.muted}>
          <Ago at={run.finished_at} />
        </span>
      )}
      {run.incident_id && !narrow && (
        <span className={css.muted}>
          for{" "}
          <Link to="/incidents/$id" params={{ id: run.incident_id }}>
            {run.incident_short_id}
          </Link>
        </span>
      )}
      {narrow && <span className={css.you}>{you}</span>}
    </div>
  );
  return (
    <PageHead
      aside={
        !narrow && (
          <dl className={css.aside}>
            <div>
              <dt>{moving ? "Running for" : "Took"}</dt>
              <dd>
                <code>
                  {run.started_at ? <Clock from={run.started_at} to={run.finished_at} /> : "not started"}
                </code>
              </dd>
            </div>
            <div>
              <dt>You</dt>
              <dd>{you}</dd>
            </div>
          </dl>
        )
      }
    >
      <h1>
        <Inline text={run.request_title} />
      </h1>
      {line}
      {run.error && (
        <p className={css.error}>
          <Inline text={run.error} />
        </p>
      )}
      {narrow && <StepsBar steps={run.steps} />}
      {narrow && moving && run.live_line && <LiveLine run={run} />}
      {narrow && !moving && run.merge_request_id && (
        <MergeRequestLink id={run.merge_request_id} primary={!decided} />
      )}
    </PageHead>
  );
}

function yourPart(run: RunDetail, moving: boolean, decided: boolean): string {
  if (moving || decided) return "nothing to do";
  if (waits(run.merge_request_status))
    return run.merge_request_ready ? "review and merge" : "decide on the draft";
  if (run.status === "failed") return "rerun, or tell the agent more";
  return "nothing to do";
}

function MergeRequestLink({ id, primary }: { id: string; primary: boolean }) {
  return (
    <Button
      component={Link}
      to="/merge-requests/$id"
      params={{ id } as never}
      variant={primary ? "filled" : "default"}
    >
      Open merge request
    </Button>
  );
}

type Acts = ReturnType<typeof useRunActs>;

function useRunActs(run: RunDetail) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const path = { params: { path: { id: run.id } } };
  const refresh = () => {
    void queries.invalidateQueries({ queryKey: keys.runs });
    void queries.invalidateQueries({ queryKey: keys.inbox });
  };
  const cancel = useMutation({
    mutationFn: () => ask(api.POST("/api/runs/{id}/cancel/", path)),
    onSettled: refresh,
  });
  const retry = useMutation({
    mutationFn: (step: StepName | null) =>
      ask(api.POST("/api/runs/{id}/retry/", { ...path, body: step ? { from_step: step } : {} })),
    onSuccess: (answer) => {
      refresh();
      if (answer?.run_id) void navigate({ to: "/runs/$id", params: { id: answer.run_id } });
    },
  });
  const remove = useMutation({
    mutationFn: () => ask(api.DELETE("/api/runs/{id}/", path)),
    onSuccess: () => {
      refresh();
      void navigate({ to: "/runs" });
    },
  });
  return { cancel, retry, remove, error: cancel.error ?? retry.error ?? remove.error };
}

function RetryButton({ acts, step }: { acts: Acts; step: StepName }) {
  return (
    <Button
      size="xs"
      onClick={() => acts.retry.mutate(step)}
      loading={acts.retry.isPending}
      leftSection={<Glyph name="rerun" />}
    >
      Rerun from {stepLabel(step)}
    </Button>
  );
}

function MoreMenu({
  acts,
  moving,
  canRerun,
  run,
  phone = false,
}: {
  acts: Acts;
  moving: boolean;
  canRerun: boolean;
  run: RunDetail;
  phone?: boolean;
}) {
  return (
    <DotsMenu>
      {phone && moving && <MenuItem onClick={() => acts.cancel.mutate()}>Cancel run</MenuItem>}
      {canRerun && <MenuItem onClick={() => acts.retry.mutate(null)}>Rerun from the start</MenuItem>}
      {run.evidence_url && (
        <MenuLink href={run.evidence_url} download={`run-${run.number}.dsse.json`}>
          Download the evidence
        </MenuLink>
      )}
      <ConfirmItem
        label="Delete run"
        sure="Delete it with its log"
        disabled={moving}
        onConfirm={() => acts.remove.mutate()}
      />
    </DotsMenu>
  );
}

function useTabs(events: number, files: DiffFile[], with_: { proof: boolean; steps: boolean }): Tab<TabId>[] {
  const changed = files.length > 0 ? <Counts {...totals(files)} quiet /> : null;
  return [
    ...(with_.proof ? [{ id: "proof" as const, label: "Proof" }] : []),
    { id: "activity", label: "Activity", count: events > 0 ? grouped(events) : null },
    { id: "diff", label: "Diff", count: changed },
    ...(with_.steps ? [] : [{ id: "files" as const, label: "Files", count: files.length || null }]),
    ...(with_.steps ? [{ id: "steps" as const, label: "Steps" }] : []),
    ...(with_.steps ? [{ id: "facts" as const, label: "Facts" }] : []),
    { id: "log", label: "Log" },
  ];
}

function lastEventAt(events: RunEvent[]): number | null {
  return toMs(events.at(-1)?.created_at);
}

function RunSkeleton() {
  const narrow = useNarrow();
  return (
    <Page bare title="Run" here="Run" parent={PARENT} panes>
      <PageHead>
        <Skeleton width="40%" height={20} mt={4} />
        <Skeleton width="60%" height={14} mt={8} />
      </PageHead>
      <div className={css.columns} aria-busy="true">
        {!narrow && (
          <aside className={css.railColumn}>
            {STEPS.map((step) => (
              <Skeleton key={step} height={16} mb={28} />
            ))}
          </aside>
        )}
        <div className={css.work}>
          <div className={css.padded}>
            {[90, 60, 75, 80, 50].map((width) => (
              <Skeleton key={width} width={`${width}%`} height={14} mb={20} />
            ))}
          </div>
        </div>
      </div>
    </Page>
  );
}
