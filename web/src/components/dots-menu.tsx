import { Menu } from "@mantine/core";
import { type ReactNode, useState } from "react";
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

/** An act that can't be taken back asks once more, in its own place. */
export function ConfirmItem({
  label,
  sure,
  disabled = false,
  onConfirm,
}: {
  label: string;
  sure: string;
  disabled?: boolean;
  onConfirm: () => void;
}) {
  const [asking, setAsking] = useState(false);
  return (
    <Menu.Item
      disabled={disabled}
      closeMenuOnClick={asking}
      color={asking ? "red" : undefined}
      onClick={() => {
        if (asking) onConfirm();
        setAsking(!asking);
      }}
    >
      {asking ? sure : label}
    </Menu.Item>
  );
}
