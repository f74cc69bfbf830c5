import { rejected } from './events.js'

/** Tells observers of a rejection, if there are any; `connection` is null where the connection itself is rejected. */
export function tellRejection(
  { connection, ip }: { readonly connection: number | null; readonly ip: string },
  { status, reason }: { readonly status: number | null; readonly reason: string },
): void {
  if (rejected.hasSubscribers) rejected.publish({ connection, client_ip: ip, status, reason })
}
