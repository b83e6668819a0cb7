/** What a tenant's script does in the benchmark: little, so that getting to it shows. */
export default {
  fetch(request: Request): Response {
    const text = new URL(request.url).searchParams.get("text") ?? "";
    return Response.json({ words: text.split(" ").filter((word) => word !== "").length });
  },
};
