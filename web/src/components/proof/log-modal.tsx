import { Modal, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { follow } from "../../api/client";
import { Terminal } from "../code/terminal";
import { ErrorNote } from "../note";

/** What one repeat of one test printed. */
export function LogModal({
  address,
  title,
  onClose,
}: {
  address: string;
  title: string;
  onClose: () => void;
}) {
  const log = useQuery({
    queryKey: ["log", address],
    queryFn: async () => (await follow("GET", address)).text(),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  return (
    <Modal opened onClose={onClose} title={title} size="xl" closeButtonProps={{ "aria-label": "Close" }}>
      {log.isPending && <Skeleton height={160} />}
      {log.error && <ErrorNote error={log.error} retry={() => log.refetch()} />}
      {log.data !== undefined && <Terminal lines={log.data.split("\n")} label={title} />}
    </Modal>
  );
}
