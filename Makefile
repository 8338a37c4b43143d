# A thin face: every target is a chore of `cargo xtask`, which does its own set-up.
XTASK = cargo run -q -p xtask --

.PHONY: demo run test soak bench lint format codegen tidy setup

demo: ; $(XTASK) demo $(ARGS)
run: ; $(XTASK) run $(ARGS)
test: ; $(XTASK) ci
soak: ; $(XTASK) soak
bench: ; $(XTASK) bench $(ARGS)
lint: ; $(XTASK) lint
format: ; cargo fmt --all && cd web && npm run format
codegen generate-openapi: ; $(XTASK) codegen
tidy: ; $(XTASK) tidy
setup: ; $(XTASK) setup
