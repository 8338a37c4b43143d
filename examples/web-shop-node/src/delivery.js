// When an order arrives, from the carriers' own tables.

export const CARRIERS = {
  standard: { name: 'Standard', days: { DE: 2, AT: 3, CH: 4 } },
  express: { name: 'Express', days: { DE: 1, AT: 2 } },
}

/** The promise shown beside an order: carrier, days and the day of arrival (UTC, `YYYY-MM-DD`). */
export function promise(order, today) {
  const carrier = CARRIERS[order.carrier ?? 'standard']
  const days = carrier.days[order.country]
  const arrival = new Date(today)
  arrival.setUTCDate(arrival.getUTCDate() + days)
  return { carrier: carrier.name, days, arrives: arrival.toISOString().slice(0, 10) }
}
