// Mantine's fields, with the style sheets that only pages with a field need. The sheet of a part comes before those of
// what is made of it.

import "@mantine/core/styles/ActionIcon.layer.css";
import "@mantine/core/styles/Input.layer.css";
import "@mantine/core/styles/InlineInput.layer.css";
import "@mantine/core/styles/PasswordInput.layer.css";
import "@mantine/core/styles/NumberInput.layer.css";
import "@mantine/core/styles/Checkbox.layer.css";
import "@mantine/core/styles/Switch.layer.css";
import "@mantine/core/styles/FloatingIndicator.layer.css";
import "@mantine/core/styles/SegmentedControl.layer.css";

export {
  Checkbox,
  NativeSelect,
  NumberInput,
  PasswordInput,
  SegmentedControl,
  Switch,
  Textarea,
  TextInput,
} from "@mantine/core";
