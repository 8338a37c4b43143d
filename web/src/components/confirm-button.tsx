import { Button } from "@mantine/core";
import { useEffect, useState } from "react";

const ASK_MS = 4_000;

/** An act that destroys something asks once more, in its own place. */
export function ConfirmButton({
  label,
  sure,
  onConfirm,
  loading,
  size = "xs",
}: {
  label: string;
  sure: string;
  onConfirm: () => void;
  loading?: boolean;
  size?: "xs" | "sm";
}) {
  const [asking, setAsking] = useState(false);
  useEffect(() => {
    if (!asking) return;
    const timer = setTimeout(() => setAsking(false), ASK_MS);
    return () => clearTimeout(timer);
  }, [asking]);
  return (
    <Button
      size={size}
      variant={asking ? "default" : "subtle"}
      loading={loading}
      onClick={() => {
        if (asking) onConfirm();
        setAsking(!asking);
      }}
      style={asking ? { color: "var(--red)" } : undefined}
    >
      {asking ? sure : label}
    </Button>
  );
}
