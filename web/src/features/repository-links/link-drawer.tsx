// A connected repository: where it lies and how it is reached.

import { Drawer } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { RepositoryLink } from "../../api/types";
import { CopyLine } from "../../components/copy-button";
import { StateWord } from "../../components/state-icon";
import table from "../../components/table.module.css";

export default function LinkDrawer({ link, onClose }: { link: RepositoryLink; onClose: () => void }) {
  return (
    <Drawer opened onClose={onClose} title={link.repository} closeButtonProps={{ "aria-label": "Close" }}>
      <div className={table.form}>
        {link.unavailable && <StateWord state="needs_you">{link.unavailable}</StateWord>}
        {link.clone_url && (
          <div className={table.form}>
            <p>
              Push to it, or clone it, at this address. Any name does; the password is an API key of yours.
            </p>
            <CopyLine text={`git clone ${link.clone_url}`} label="Copy the command" />
            <Link to="/api-keys">Make an API key</Link>
          </div>
        )}
        <p className={table.note}>
          {link.default_branch ? (
            <>
              Fixes go to <code>{link.default_branch}</code>.
            </>
          ) : (
            "It has no branch yet."
          )}
        </p>
      </div>
    </Drawer>
  );
}
