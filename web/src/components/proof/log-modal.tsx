import { Modal, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { follow } from "../../api/client";
import { Terminal } from "../code/terminal";
import { ErrorNote } from "../note";
import type { Log } from "./rows";

/** What one repeat of one test printed. */
export function LogModal({ log, title, onClose }: { log: Log; title: string; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title={title} size="xl" closeButtonProps={{ "aria-label": "Close" }}>
      {"text" in log ? (
        <Terminal lines={log.text.split("\n")} label={title} />
      ) : (
        <FetchedLog address={log.address} title={title} />
      )}
    </Modal>
  );
}

function FetchedLog({ address, title }: { address: string; title: string }) {
  const log = useQuery({
    queryKey: ["log", address],
    queryFn: async () => (await follow("GET", address)).text(),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  if (log.isPending) return <Skeleton height={160} />;
  if (log.error) return <ErrorNote error={log.error} retry={() => log.refetch()} />;
  return <Terminal lines={log.data.split("\n")} label={title} />;
}
