import { expect, it } from "vitest";
import { REGIONS, type Region, healthObjectName, regionOf } from "../../src/facilitator/region.ts";

it.each<[string, unknown, Region]>([
  ["San Francisco", { continent: "NA", longitude: "-122.42" }, "wnam"],
  ["New York", { continent: "NA", longitude: "-74.01" }, "enam"],
  ["North America, no longitude", { continent: "NA" }, "enam"],
  ["São Paulo", { continent: "SA", longitude: "-46.63" }, "sam"],
  ["Lisbon", { continent: "EU", longitude: "-9.14" }, "weur"],
  ["Warsaw", { continent: "EU", longitude: "21.01" }, "eeur"],
  ["Europe, a longitude that is none", { continent: "EU", longitude: "east" }, "weur"],
  ["Dubai", { continent: "AS", longitude: "55.27" }, "me"],
  ["Tokyo", { continent: "AS", longitude: "139.69" }, "apac"],
  ["Sydney", { continent: "OC", longitude: "151.21" }, "oc"],
  ["Nairobi", { continent: "AF", longitude: "36.82" }, "afr"],
  ["Antarctica", { continent: "AN", longitude: "0" }, "default"],
  ["nobody knows where", { colo: "FRA" }, "default"],
  ["an embedded platform", undefined, "default"],
])("a request from %s belongs to the right region", (_where, cf, region) => {
  expect(regionOf(cf)).toBe(region);
});

it("gives every region an object of its own", () => {
  expect(new Set(REGIONS.map(healthObjectName)).size).toBe(REGIONS.length);
});
