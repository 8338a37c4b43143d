// The one Mantine theme. It points Mantine's variables at the tokens, so a colour or size is only ever written in
// `tokens.css`.

import {
  ActionIcon,
  Button,
  Checkbox,
  type CSSVariablesResolver,
  createTheme,
  Drawer,
  Input,
  InputBase,
  type MantineColorsTuple,
  Menu,
  Modal,
  NativeSelect,
  PasswordInput,
  SegmentedControl,
  Skeleton,
  Switch,
  Textarea,
  TextInput,
  Tooltip,
  type VariantColorsResolver,
} from "@mantine/core";

const one = (value: string) => Array.from({ length: 10 }, () => value) as unknown as MantineColorsTuple;

const variantColorResolver: VariantColorsResolver = ({ variant }) => {
  if (variant === "filled") {
    return {
      background: "var(--ink)",
      hover: "var(--ink)",
      color: "var(--surface)",
      border: "1px solid var(--ink)",
    };
  }
  if (variant === "subtle" || variant === "transparent") {
    return {
      background: "transparent",
      hover: "var(--raised)",
      color: "var(--ink)",
      border: "1px solid transparent",
    };
  }
  return {
    background: "var(--surface)",
    hover: "var(--raised)",
    color: "var(--ink)",
    border: "1px solid var(--line-strong)",
  };
};

const field = { defaultProps: { size: "sm" } };

export const theme = createTheme({
  fontFamily: "var(--font)",
  fontFamilyMonospace: "var(--mono)",
  primaryColor: "ink",
  colors: { ink: one("var(--ink)"), iris: one("var(--iris)"), red: one("var(--red)") },
  defaultRadius: "sm",
  radius: { xs: "var(--radius-small)", sm: "var(--radius)", md: "var(--radius)" },
  fontSizes: {
    xs: "var(--text-meta)",
    sm: "var(--text)",
    md: "var(--text)",
    lg: "var(--text-step)",
    xl: "var(--text-title)",
  },
  headings: { fontFamily: "var(--font)", fontWeight: "var(--bold)" },
  shadows: { xs: "none", sm: "none", md: "none", lg: "none", xl: "none" },
  focusRing: "auto",
  respectReducedMotion: true,
  variantColorResolver,
  components: {
    Button: Button.extend({
      defaultProps: { variant: "default" },
      vars: (_theme, props) => {
        const small = props.size === "xs";
        return {
          root: {
            "--button-height": small ? "var(--control-small)" : "var(--control)",
            "--button-padding-x": small ? "var(--space-3)" : "var(--space-3)",
            "--button-fz": small ? "var(--text-small)" : "var(--text)",
          },
        };
      },
      styles: { label: { fontWeight: "var(--medium)" } },
    }),
    ActionIcon: ActionIcon.extend({
      defaultProps: { variant: "subtle" },
      vars: () => ({ root: { "--ai-size": "var(--control-small)" } }),
    }),
    Input: Input.extend({
      ...field,
      vars: () => ({
        wrapper: {
          "--input-height": "var(--control)",
          "--input-fz": "var(--text)",
          "--input-bd": "var(--faint)",
          "--input-bg": "var(--surface)",
          "--input-color": "var(--ink)",
          "--input-bd-focus": "var(--iris)",
          "--input-placeholder-color": "var(--muted)",
        },
      }),
    }),
    InputBase: InputBase.extend(field),
    TextInput: TextInput.extend(field),
    PasswordInput: PasswordInput.extend(field),
    Textarea: Textarea.extend(field),
    NativeSelect: NativeSelect.extend(field),
    InputWrapper: Input.Wrapper.extend({
      styles: {
        label: { fontSize: "var(--text-small)", fontWeight: "var(--medium)", marginBottom: "var(--space-1)" },
        description: { fontSize: "var(--text-meta)", color: "var(--muted)" },
        error: { fontSize: "var(--text-meta)" },
      },
    }),
    Checkbox: Checkbox.extend({ defaultProps: { size: "xs", color: "ink", iconColor: "var(--surface)" } }),
    Switch: Switch.extend({ defaultProps: { size: "sm", color: "ink" } }),
    SegmentedControl: SegmentedControl.extend({ defaultProps: { size: "xs" } }),
    Menu: Menu.extend({
      defaultProps: { position: "bottom-end", transitionProps: { duration: 80 }, withinPortal: true },
      styles: {
        dropdown: {
          borderColor: "var(--line-strong)",
          background: "var(--surface)",
          maxHeight: "80dvh",
          overflowY: "auto",
        },
        label: { color: "var(--muted)", fontSize: "var(--text-meta)" },
      },
    }),
    Modal: Modal.extend({
      defaultProps: { centered: true, transitionProps: { duration: 80, transition: "fade" } },
      styles: {
        title: { fontWeight: "var(--bold)", fontSize: "var(--text-step)" },
        content: { border: "1px solid var(--line-strong)", background: "var(--surface)" },
        header: { background: "var(--surface)" },
        overlay: { background: "var(--veil)" },
      },
    }),
    Drawer: Drawer.extend({
      defaultProps: { position: "right", size: "460px", transitionProps: { duration: 100 } },
      styles: {
        title: { fontWeight: "var(--bold)", fontSize: "var(--text-step)" },
        content: { borderLeft: "1px solid var(--line-strong)", background: "var(--surface)" },
        header: { background: "var(--surface)" },
        overlay: { background: "var(--veil)" },
      },
    }),
    Skeleton: Skeleton.extend({ defaultProps: { radius: "xs" } }),
    Tooltip: Tooltip.extend({
      defaultProps: { withArrow: false, openDelay: 300, color: "ink" },
      styles: { tooltip: { color: "var(--surface)", fontSize: "var(--text-meta)" } },
    }),
  },
});

const shared = {
  "--mantine-color-body": "var(--surface)",
  "--mantine-color-text": "var(--ink)",
  "--mantine-color-bright": "var(--ink)",
  "--mantine-color-dimmed": "var(--muted)",
  "--mantine-color-placeholder": "var(--muted)",
  "--mantine-color-anchor": "var(--iris)",
  "--mantine-color-error": "var(--red)",
  "--mantine-color-default": "var(--surface)",
  "--mantine-color-default-hover": "var(--raised)",
  "--mantine-color-default-color": "var(--ink)",
  "--mantine-color-default-border": "var(--line-strong)",
  "--mantine-color-disabled": "var(--raised)",
  "--mantine-color-disabled-color": "var(--muted)",
  "--mantine-color-disabled-border": "var(--line-strong)",
  "--mantine-primary-color-filled": "var(--ink)",
  "--mantine-primary-color-contrast": "var(--surface)",
  "--mantine-color-ink-filled": "var(--ink)",
};

export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: shared,
  dark: shared,
});
