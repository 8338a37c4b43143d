// The one Mantine theme. It points Mantine's variables at the tokens, so a colour or size is only ever written in
// `tokens.css`. Components are named by their types alone: `Modal.extend` would load the modal with every page.

import {
  type ActionIcon,
  type Button,
  type Checkbox,
  type CSSVariablesResolver,
  createTheme,
  type Drawer,
  type Input,
  type InputBase,
  type MantineColorsTuple,
  type MantineThemeComponent,
  type Modal,
  type NativeSelect,
  type PasswordInput,
  type SegmentedControl,
  type Skeleton,
  type Switch,
  type Textarea,
  type TextInput,
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

type Extendable = { extend: (input: never) => MantineThemeComponent };

/** What the component's own `extend` does, which is to check the type. */
function extend<Component extends Extendable>(
  input: Parameters<Component["extend"]>[0],
): MantineThemeComponent {
  return input;
}

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
    Button: extend<typeof Button>({
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
    ActionIcon: extend<typeof ActionIcon>({
      defaultProps: { variant: "subtle" },
      vars: () => ({ root: { "--ai-size": "var(--control-small)" } }),
    }),
    Input: extend<typeof Input>({
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
    InputBase: extend<typeof InputBase>(field),
    TextInput: extend<typeof TextInput>(field),
    PasswordInput: extend<typeof PasswordInput>(field),
    Textarea: extend<typeof Textarea>(field),
    NativeSelect: extend<typeof NativeSelect>(field),
    InputWrapper: extend<typeof Input.Wrapper>({
      styles: {
        label: { fontSize: "var(--text-small)", fontWeight: "var(--medium)", marginBottom: "var(--space-1)" },
        description: { fontSize: "var(--text-meta)", color: "var(--muted)" },
        error: { fontSize: "var(--text-meta)" },
      },
    }),
    Checkbox: extend<typeof Checkbox>({
      defaultProps: { size: "xs", color: "ink", iconColor: "var(--surface)" },
    }),
    Switch: extend<typeof Switch>({ defaultProps: { size: "sm", color: "ink" } }),
    SegmentedControl: extend<typeof SegmentedControl>({ defaultProps: { size: "xs" } }),
    Modal: extend<typeof Modal>({
      defaultProps: { centered: true, transitionProps: { duration: 80, transition: "fade" } },
      styles: {
        title: { fontWeight: "var(--bold)", fontSize: "var(--text-step)" },
        content: { border: "1px solid var(--line-strong)", background: "var(--surface)" },
        header: { background: "var(--surface)" },
        overlay: { background: "var(--veil)" },
      },
    }),
    Drawer: extend<typeof Drawer>({
      defaultProps: { position: "right", size: "460px", transitionProps: { duration: 100 } },
      styles: {
        title: { fontWeight: "var(--bold)", fontSize: "var(--text-step)" },
        content: { borderLeft: "1px solid var(--line-strong)", background: "var(--surface)" },
        header: { background: "var(--surface)" },
        overlay: { background: "var(--veil)" },
      },
    }),
    Skeleton: extend<typeof Skeleton>({ defaultProps: { radius: "xs" } }),
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
