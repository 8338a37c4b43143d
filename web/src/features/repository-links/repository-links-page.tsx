// Connected repositories: one line each, made in a side drawer.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, type ReactNode, useState } from "react";
import { api, ask } from "../../api/client";
import { keys, repositoryLinksQuery } from "../../api/queries";
import type { RepositoryLink } from "../../api/types";
import { useNewForm } from "../../app/new-form";
import { useWorkspace } from "../../app/workspace";
import { breakable } from "../../components/inline";
import { OnceAsked, RemoveButton, TablePage } from "../../components/listed";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";
import { Ago } from "../../components/time/now";
import { providerLabel } from "./providers";

const Connect = lazy(() => import("./connect"));
const LinkDrawer = lazy(() => import("./link-drawer"));

export default function RepositoryLinksPage() {
  const { uid } = useWorkspace();
  const queries = useQueryClient();
  const all = useQuery(repositoryLinksQuery(uid));
  const form = useNewForm();
  const [opened, setOpened] = useState<RepositoryLink | null>(null);
  const remove = async (id: string) => {
    await ask(api.DELETE("/api/repository-links/{id}/", { params: { path: { id } } }));
    await queries.invalidateQueries({ queryKey: keys.repositoryLinks });
  };
  return (
    <TablePage
      title="Repositories"
      act={{ label: "Connect a repository", run: form.open }}
      query={all}
      empty="No repository is connected. A fix needs one to work on; its tests must run without a network."
      keyOf={(link) => link.id}
      columns={[
        {
          name: "Repository",
          main: true,
          cell: (link) => (
            <>
              <button type="button" className={table.open} onClick={() => setOpened(link)}>
                {breakable(link.repository)}
              </button>
              {link.unavailable && (
                <StateWord state="needs_you" size={14}>
                  {link.unavailable}
                </StateWord>
              )}
            </>
          ),
        },
        { name: "Where", cell: where },
        {
          name: "Branch",
          wide: true,
          cell: (link) => link.default_branch && <code>{breakable(link.default_branch)}</code>,
        },
        { name: "Connected", wide: true, cell: (link) => <Ago at={link.created_at} /> },
        {
          name: "",
          cell: (link) => (
            <RemoveButton label="Disconnect" sure="Disconnect it now" remove={() => remove(link.id)} />
          ),
        },
      ]}
    >
      <OnceAsked asked={form.opened}>
        <Connect
          opened={form.opened}
          onClose={form.close}
          onMade={(link) => {
            form.close();
            setOpened(link);
          }}
        />
      </OnceAsked>
      {opened && <LinkDrawer link={opened} onClose={() => setOpened(null)} />}
    </TablePage>
  );
}

function where(link: RepositoryLink): ReactNode {
  const ownForge = link.base_url && !/^https:\/\/(gitlab|github)\.com\/?$/.test(link.base_url);
  return (
    <>
      {providerLabel(link.provider)}
      {ownForge && (
        <span className={`${table.muted} ${table.wide}`}> {link.base_url.replace(/^https?:\/\//, "")}</span>
      )}
    </>
  );
}
