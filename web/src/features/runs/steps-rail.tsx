// The seven steps: state, time and cost of each, and the line between them that fills as the run goes.

import type { Step, StepName } from "../../api/types";
import { money } from "../../components/format";
import { Inline } from "../../components/inline";
import { StateIcon } from "../../components/state-icon";
import { STEPS, stepLabel, stepState } from "../../components/states";
import { Clock } from "../../components/time/now";
import css from "./steps-rail.module.css";

interface Props {
  steps: Step[];
  selected?: StepName | null;
  /** The steps that can be chosen. */
  choices?: readonly StepName[];
  onSelect?: (step: StepName) => void;
  compact?: boolean;
}

/** All seven in order; one the server has not named yet is waiting. */
export function allSteps(steps: Step[]): Step[] {
  return STEPS.map(
    (name) =>
      steps.find((step) => step.name === name) ?? {
        name,
        state: "waiting",
        started_at: null,
        finished_at: null,
        summary: "",
        cost_usd: null,
        tokens: 0,
      },
  );
}

export function StepsRail({ steps, selected = null, choices = [], onSelect, compact = false }: Props) {
  return (
    <ol className={compact ? css.compact : css.rail} aria-label="Steps">
      {allSteps(steps).map((step) => (
        <li
          key={step.name}
          className={css.step}
          data-state={step.state}
          aria-current={step.state === "working" ? "step" : undefined}
        >
          <span className={css.icon}>
            <StateIcon state={stepState(step.state)} label={step.state} />
          </span>
          <StepBody
            step={step}
            selected={selected === step.name}
            onSelect={choices.includes(step.name) ? onSelect : undefined}
            compact={compact}
          />
        </li>
      ))}
    </ol>
  );
}

interface BodyProps {
  step: Step;
  selected: boolean;
  onSelect: ((step: StepName) => void) | undefined;
  compact: boolean;
}

function StepBody({ step, selected, onSelect, compact }: BodyProps) {
  const summary = [step.summary, step.cost_usd ? money(step.cost_usd) : null].filter(Boolean).join(", ");
  const text = (
    <>
      <span className={css.name}>{stepLabel(step.name)}</span>
      {compact && summary && (
        <span className={css.summary}>
          <Inline text={summary} />
        </span>
      )}
      <span className={css.time}>
        {step.started_at && step.name !== "watch" && <Clock from={step.started_at} to={step.finished_at} />}
      </span>
      {!compact && summary && (
        <span className={css.summary}>
          <Inline text={summary} />
        </span>
      )}
    </>
  );
  if (!onSelect) return <div className={css.body}>{text}</div>;
  return (
    <button type="button" className={css.body} aria-pressed={selected} onClick={() => onSelect(step.name)}>
      {text}
    </button>
  );
}

/** Seven segments for a narrow screen. */
export function StepsBar({ steps }: { steps: Step[] }) {
  return (
    <div className={css.bar} aria-hidden="true">
      {allSteps(steps).map((step) => (
        <span key={step.name} data-state={step.state} />
      ))}
    </div>
  );
}
