import { Modal } from "@mantine/core";
import css from "./help.module.css";
import { allShortcuts } from "./shortcuts";

export default function Help({ onClose }: { onClose: () => void }) {
  const shortcuts = [{ keys: "⌘ k", label: "Find or run" }, ...allShortcuts()];
  return (
    <Modal opened onClose={onClose} title="Keys" size="sm" closeButtonProps={{ "aria-label": "Close" }}>
      <dl className={css.list}>
        {shortcuts.map((shortcut) => (
          <div key={shortcut.keys} className={css.row}>
            <dt>{shortcut.label}</dt>
            <dd>
              {shortcut.keys.split(" ").map((key) => (
                <kbd key={key} className={css.key}>
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <p className={css.note}>Keys of the page you are on are listed too. On Windows and Linux, ⌘ is Ctrl.</p>
    </Modal>
  );
}
