import { Menu } from "@mantine/core";
import type { ReactNode } from "react";
import css from "./dots-menu.module.css";
import { Glyph } from "./glyph";

/** What else can be done with the thing on the page. */
export function DotsMenu({ children }: { children: ReactNode }) {
  return (
    <Menu>
      <Menu.Target>
        <button type="button" className={css.dots} aria-label="More actions">
          <Glyph name="dots" />
        </button>
      </Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  );
}
