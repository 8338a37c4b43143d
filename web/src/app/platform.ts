/** What is held down for a command: ⌘ on Apple's keyboards, Ctrl on all others. */
export const MOD = /Mac|iP(hone|ad)/.test(navigator.userAgent) ? "⌘" : "Ctrl";
