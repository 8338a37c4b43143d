import { type ReactNode, useState } from "react";
import css from "./dots-menu.module.css";
import { Glyph } from "./glyph";
import { Menu, MenuItem } from "./menu";

/** What else can be done with the thing on the page. */
export function DotsMenu({ children }: { children: ReactNode }) {
  return (
    <Menu face={<Glyph name="dots" />} className={css.dots} label="More actions">
      {children}
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
    <MenuItem
      disabled={disabled}
      stays={!asking}
      danger={asking}
      onClick={() => {
        if (asking) onConfirm();
        setAsking(!asking);
      }}
    >
      {asking ? sure : label}
    </MenuItem>
  );
}
