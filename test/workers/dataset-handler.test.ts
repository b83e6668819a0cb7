import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { DatasetHandlerDefinition } from "../../src/contracts/snapshot.ts";
import { parseDataset } from "../../src/dataset/parse-dataset.ts";
import { datasetHandler } from "../../src/runtime/dataset.ts";
import { callContext, openShop, parseText, type Shop } from "../support/datasets.ts";
import { INJECTION_CORPUS } from "../support/injection-corpus.ts";

const CSV = [
  "id,name,country,pop,capital,founded,seen,tags",
  '1,Paris,FR,2102650,true,,2024-01-01T00:00:00Z,"[""old"",1]"',
  "2,Lyon,FR,522250,false,0043-01-01,,",
  '3,"Saint-Denis, ""93""",FR,,false,,,"{""a"":null}"',
  "4,Roma,IT,2748109,true,,,",
  "5,\u{1F600} Ville,FR,12,false,,,",
].join("\n");

const cities = () => openShop(parseText(CSV), { key: "id", indexes: ["country"] });

interface Page {
  data: Record<string, unknown>[];
  nextCursor: string | null;
}

async function names(shop: Shop, search: string): Promise<unknown[]> {
  const response = await shop.get(search);
  const page: Page = await response.json();
  return page.data.map(({ name }) => name);
}

describe("a list", () => {
  it("answers rows with the types they have", async () => {
    const shop = await cities();
    const response = await shop.get("?limit=2");
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe("application/json");
    expect(await response.json()).toMatchObject({
      data: [
        {
          id: 1,
          name: "Paris",
          country: "FR",
          pop: 2_102_650,
          capital: true,
          founded: null,
          seen: "2024-01-01T00:00:00.000Z",
          tags: ["old", 1],
        },
        { id: 2, founded: "0043-01-01", tags: null },
      ],
    });
  });

  it.each([
    ["?country=FR&pop=gte.500000", ["Paris", "Lyon"]],
    ["?or=(capital.is.true,name.startswith.Ly)&order=pop.desc", ["Roma", "Paris", "Lyon"]],
    ["?pop=is.null", ['Saint-Denis, "93"']],
    ['?name=in.(Roma,"Saint-Denis, \\"93\\"")', ['Saint-Denis, "93"', "Roma"]],
    ["?name=startswith.%F0%9F%98%80", ["\u{1F600} Ville"]],
    ["?name=endswith.%F0%9F%98%80%20Ville", ["\u{1F600} Ville"]],
    ["?seen=lt.2024-01-01T02:00%2B01:00", ["Paris"]],
    ["?seen=lt.2024-01-01T00:30%2B01:00", []],
    ["?pop__lt=100", ["\u{1F600} Ville"]],
    ["?name=startswith.r", []],
    ["?founded=between.(0001-01-01,0100-01-01)", ["Lyon"]],
  ])("filters and orders: %s", async (search, expected) => {
    expect(await names(await cities(), search)).toEqual(expected);
  });

  it("gives pages that join to the whole, by cursor and by Link", async () => {
    const shop = await cities();
    const first = await shop.get("?order=pop&limit=3&select=id");
    const { nextCursor }: Page = await first.clone().json();
    expect(await first.json()).toMatchObject({ data: [{ id: 5 }, { id: 2 }, { id: 1 }] });
    const link = first.headers.get("Link") ?? "";
    expect(link).toBe(`<?order=pop&limit=3&select=id&cursor=${nextCursor}>; rel="next"`);
    const last = await shop.get(link.slice(1, link.indexOf(">")));
    expect(await last.json()).toEqual({ data: [{ id: 4 }, { id: 3 }], nextCursor: null });
    expect(last.headers.get("Link")).toBeNull();
  });

  it("counts all matches only when asked", async () => {
    const shop = await cities();
    const counted = await shop.get("?country=FR&limit=1&count=exact");
    expect(counted.headers.get("X-Total-Count")).toBe("4");
    expect(await counted.json()).toMatchObject({ count: 4 });
    expect(await (await shop.get("?limit=1")).json()).not.toHaveProperty("count");
  });

  it("answers CSV and NDJSON with the same rows and the next page in Link", async () => {
    const shop = await cities();
    const csv = await shop.get("?select=name,tags,capital&limit=3&format=csv");
    expect(csv.headers.get("Content-Type")).toContain("text/csv");
    expect(csv.headers.get("Link")).toContain("cursor=");
    expect(await csv.text()).toBe(
      'name,tags,capital\r\nParis,"[""old"",1]",true\r\nLyon,,false\r\n' +
        '"Saint-Denis, ""93""","{""a"":null}",false\r\n',
    );
    const ndjson = await shop.get("?select=id&limit=2&format=ndjson");
    const bytes = await ndjson.arrayBuffer();
    expect(new TextDecoder().decode(bytes)).toBe('{"id":1}\n{"id":2}\n');
  });

  it("answers the same query on the same version with the same bytes and ETag", async () => {
    const shop = await cities();
    const [first, second] = [await shop.get("?pop=gt.1"), await shop.get("?pop=gt.1")];
    expect(first.headers.get("ETag")).toBe(second.headers.get("ETag"));
    expect(await first.text()).toBe(await second.text());
    const other = await shop.get("?pop=gt.2");
    expect(other.headers.get("ETag")).not.toBe(first.headers.get("ETag"));
    expect(first.headers.get("X-Dataset-Version")).toBe(shop.store.split("/").at(-1));
  });

  it("finds nothing by any hostile text, and nothing is broken by it", async () => {
    const shop = await cities();
    for (const hostile of INJECTION_CORPUS) {
      for (const operator of ["eq", "contains", "endswith", "in"]) {
        const quoted = hostile.replace(/["\\]/g, "\\$&");
        const operand = operator === "in" ? `("${quoted}")` : hostile;
        const search = new URLSearchParams([["name", `${operator}.${operand}`]]);
        const response = await shop.get(`?${search.toString()}`);
        expect(response.status).toBe(200);
      }
      expect(
        (await shop.get(`?${new URLSearchParams([[hostile, hostile]]).toString()}`)).status,
      ).toBe(400);
    }
    expect(await names(shop, "?select=name")).toHaveLength(5);
  });

  it("runs the largest query there is", async () => {
    const shop = await cities();
    const group = Array.from({ length: 19 }, () => "name.not.endswith.xyz").join(",");
    const search = `?or=(and(and(${group})))&id=gte.0&order=pop.desc,name,country.desc&limit=2`;
    const first: Page = await (await shop.get(search)).json();
    const second: Page = await (await shop.get(`${search}&cursor=${first.nextCursor}`)).json();
    expect([...first.data, ...second.data]).toHaveLength(4);
  });
});

describe("a malformed parameter", () => {
  it("is told by check without asking the store, and answered 400 by run", async () => {
    const shop = await cities();
    const handler = datasetHandler(env.DATASET_STORE, { ...shop.definition, store: "a/b/nowhere" });
    const context = callContext(shop.definition);
    const check = (search: string) =>
      handler.check?.(new Request(`https://acme/cities${search}`), context);
    expect(check("?country=FR")).toEqual({ ok: true });
    expect(check("?contry=FR")).toMatchObject({ ok: false, parameter: "contry" });
    const response = await shop.get("?pop=gte.many");
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_parameter", parameter: "pop" });
  });

  it("is a cursor of another version", async () => {
    const [shop, newer] = [await cities(), await cities()];
    const { nextCursor }: Page = await (await shop.get("?limit=1")).json();
    expect((await newer.get(`?limit=1&cursor=${nextCursor}`)).status).toBe(400);
  });
});

async function item(key: string, search = ""): Promise<Response> {
  const shop = await openShop(parseText(CSV), { key: "name" }, "item");
  const handler = datasetHandler(env.DATASET_STORE, shop.definition);
  const request = new Request(`https://acme/cities/${encodeURIComponent(key)}${search}`);
  return handler.run(request, callContext(shop.definition, { key }));
}

describe("an item", () => {
  it("is the row of its key, or the columns selected of it", async () => {
    expect(await (await item("Roma")).json()).toMatchObject({
      id: 4,
      name: "Roma",
      pop: 2_748_109,
    });
    expect(await (await item('Saint-Denis, "93"', "?select=id")).text()).toBe('{"id":3}');
  });

  it("is 404 when there is no such key, which is not charged", async () => {
    const response = await item("roma");
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: "not_found" });
  });
});

function download(text: string): Promise<Shop> {
  return openShop(parseText(text), {}, "download");
}

describe("a download", () => {
  it.each(["json", "csv", "ndjson"] as const)(
    "is all of it in %s, page after page",
    async (format) => {
      const lines = Array.from({ length: 25_000 }, (_, index) => `${index},"row ${index}"`);
      const shop = await download(`id,name\n${lines.join("\n")}\n`);
      const response = await shop.get(`?format=${format}`);
      expect(response.status).toBe(200);
      const read = parseDataset(new Uint8Array(await response.arrayBuffer()), format);
      if (!read.ok) throw new Error(read.error.message);
      expect(read.dataset.rowCount).toBe(25_000);
      expect(JSON.parse(read.dataset.chunks.at(-1) ?? "[]").at(-1)).toEqual([24_999, "row 24999"]);
    },
  );

  it("can be stopped by its reader", async () => {
    const lines = Array.from({ length: 25_000 }, (_, index) => String(index));
    const shop = await download(`id\n${lines.join("\n")}\n`);
    const reader = (await shop.get()).body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
  });

  it("takes no filter", async () => {
    expect((await (await download(CSV)).get("?country=FR")).status).toBe(400);
  });
});

it("answers 502 when the version is not stored, which is not charged", async () => {
  const shop = await cities();
  const definition: DatasetHandlerDefinition = { ...shop.definition, store: "a/b/nowhere" };
  const handler = datasetHandler(env.DATASET_STORE, definition);
  const response = await handler.run(new Request("https://acme/cities"), callContext(definition));
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ code: "handler_failed" });
});
