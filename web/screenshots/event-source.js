// An event source that plays the scene's events and stays open, as the server's does. Runs in the page, with the
// events in `EVENTS`.

window.EventSource = class extends EventTarget {
  readyState = 0;

  constructor(url) {
    super();
    const after = Number(new URL(url, location.href).searchParams.get("after") ?? 0);
    setTimeout(() => {
      this.readyState = 1;
      this.onopen?.();
      for (const event of EVENTS) {
        if (event.seq > after)
          this.onmessage?.({ data: JSON.stringify(event), lastEventId: String(event.seq) });
      }
    }, 0);
  }

  close() {
    this.readyState = 2;
  }
};
