import { Modal } from "@mantine/core";
import { Terminal, toLines } from "../code/terminal";

/** What one repeat of one test printed. */
export default function LogModal({
  log,
  title,
  onClose,
}: {
  log: string;
  title: string;
  onClose: () => void;
}) {
  return (
    <Modal opened onClose={onClose} title={title} size="xl" closeButtonProps={{ "aria-label": "Close" }}>
      <Terminal lines={toLines(log)} label={title} />
    </Modal>
  );
}
