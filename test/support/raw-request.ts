import { connect } from "node:net";

/**
 * Sends a request line as it is, which no client library would, and resolves to the status and body of the answer.
 * @param target what stands between the method and the version
 */
export async function rawRequest(
  server: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const { hostname, port, host } = new URL(server);
  const socket = connect(Number(port), hostname);
  const lines = Object.entries({ Host: host, Connection: "close", ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  // Not ended: workerd takes a half-closed connection for a client that has hung up.
  socket.write(Buffer.from(`GET ${target} HTTP/1.1\r\n${head}\r\n`, "utf8"));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(Buffer.from(chunk));
  const answer = Buffer.concat(chunks).toString("utf8");
  const [start = "", ...rest] = answer.split("\r\n\r\n");
  return { status: Number(start.split(" ", 2)[1]), body: rest.join("\r\n\r\n") };
}
