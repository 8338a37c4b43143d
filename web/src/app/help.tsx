import { Modal } from "@mantine/core";
import { allCommands } from "./commands";
import css from "./help.module.css";
import { MOD } from "./platform";

export default function Help({ onClose }: { onClose: () => void }) {
  const withKeys = [{ keys: `${MOD} k`, label: "Find or run" }, ...allCommands()].filter((each) => each.keys);
  return (
    <Modal opened onClose={onClose} title="Keys" size="sm" closeButtonProps={{ "aria-label": "Close" }}>
      <dl className={css.list}>
        {withKeys.map(({ keys, label }) => (
          <div key={keys} className={css.row}>
            <dt>{label}</dt>
            <dd>
              {keys?.split(" ").map((key) => (
                <kbd key={key} className={css.key}>
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <p className={css.note}>Keys of the page you are on are listed too.</p>
    </Modal>
  );
}
