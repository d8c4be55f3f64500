// Browses and tries what this node serves, from its own /openapi.json. All text goes in as text, never as markup.
"use strict";

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

// Words between backticks as code; everything else as it is.
const prose = (name, properties, text) =>
  element(name, properties, ...text.split("`").map((part, index) => (index % 2 ? element("code", { textContent: part }) : part)));

const resolve = (spec, schema) =>
  schema && schema.$ref ? schema.$ref.slice(2).split("/").reduce((at, part) => at[part], spec) : schema || {};

const nameOf = (schema) => {
  if (!schema || Object.keys(schema).length === 0) return "anything";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(nameOf).join(" | ");
  if (schema.prefixItems) return `[${schema.prefixItems.map(nameOf).join(", ")}]`;
  if (schema.type === "array") return `list of ${nameOf(schema.items)}`;
  if (schema.additionalProperties && !schema.properties) return `map of ${nameOf(schema.additionalProperties)}`;
  const bounds = [];
  if (schema.minimum !== undefined || schema.maximum !== undefined) bounds.push(`${schema.minimum ?? ""}..${schema.maximum ?? ""}`);
  if (schema.pattern) bounds.push(schema.pattern);
  return [schema.type, ...bounds].join(" ");
};

// Types that a schema speaks of, each to unfold where it is first wanted.
const parts = (schema, found = new Set()) => {
  if (!schema) return found;
  if (schema.$ref) found.add(schema.$ref);
  for (const inner of [...(schema.anyOf || []), ...(schema.prefixItems || [])]) parts(inner, found);
  if (schema.items) parts(schema.items, found);
  if (typeof schema.additionalProperties === "object") parts(schema.additionalProperties, found);
  return found;
};

const fields = (spec, schema) => {
  const known = resolve(spec, schema);
  const made = element("div");
  if (known.description) made.append(prose("p", { className: "soft" }, known.description));
  if (!known.properties) {
    made.append(element("p", {}, element("code", { textContent: nameOf(known) })));
  } else {
    const body = element("tbody");
    for (const [name, inner] of Object.entries(known.properties)) {
      const needed = (known.required || []).includes(name) ? "" : " (may be left out)";
      body.append(element("tr", {}, element("td", {}, element("code", { textContent: name })), element("td", { textContent: nameOf(inner) + needed })));
    }
    made.append(element("div", { className: "scroll" }, element("table", {}, body)));
  }
  const further = new Set();
  for (const inner of known.properties ? Object.values(known.properties) : [known]) parts(inner, further);
  for (const reference of further) {
    if (reference === (schema && schema.$ref)) continue;
    const box = element("details", {}, element("summary", { textContent: reference.split("/").pop() }));
    box.addEventListener("toggle", () => {
      if (box.open && box.childElementCount === 1) box.append(fields(spec, { $ref: reference }));
    });
    made.append(box);
  }
  return made;
};

const trial = (path, operation) => {
  const form = element("form", { autocomplete: "off" });
  const inputs = [];
  for (const parameter of operation.parameters || []) {
    const id = `${operation.operationId}-${parameter.name}`;
    const input = element("input", { id, name: parameter.name, required: Boolean(parameter.required) });
    inputs.push([parameter, input]);
    const says = `${parameter.description} ${nameOf(parameter.schema)}`;
    form.append(element("p", {}, element("label", { htmlFor: id, textContent: parameter.name }), input, element("br"), prose("span", { className: "soft" }, says)));
  }
  const answer = element("pre", { hidden: true, tabIndex: 0 });
  form.append(element("p", {}, element("button", { textContent: "Ask this node" })), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let target = path;
    const options = new URLSearchParams();
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) options.set(parameter.name, input.value);
    }
    if ([...options].length) target += `?${options}`;
    answer.hidden = false;
    answer.textContent = `GET ${target} …`;
    try {
      const token = document.getElementById("token").value.trim();
      const reply = await fetch(target, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
      const text = await reply.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
      answer.textContent = `GET ${target}\n${reply.status} ${reply.statusText}\n\n${shown.slice(0, 100000)}`;
    } catch (error) {
      answer.textContent = `GET ${target}\nThe node did not answer: ${error.message}`;
    }
  });
  return form;
};

const route = (spec, path, method, operation) => {
  const box = element("details", { id: operation.operationId }, element("summary", {},
    element("span", { className: "method", textContent: method.toUpperCase() }),
    element("span", { className: "path", textContent: path }), " ",
    prose("span", { className: "soft" }, operation.summary)));
  box.dataset.words = `${method} ${path} ${operation.summary} ${JSON.stringify(operation.responses["200"] || {})}`.toLowerCase();
  box.addEventListener("toggle", () => {
    if (!box.open || box.childElementCount > 1) return;
    const json = ((operation.responses["200"] || {}).content || {})["application/json"];
    const sent = ((operation.requestBody || {}).content || {})["application/json"];
    if (sent) box.append(element("h3", { textContent: "Body" }), fields(spec, sent.schema));
    if (json) box.append(element("h3", { textContent: "Answer" }), fields(spec, json.schema));
    if (method === "get" && !operation.responses["101"]) box.append(element("h3", { textContent: "Try" }), trial(path, operation));
  });
  return box;
};

const show = (spec) => {
  document.getElementById("title").textContent = `${spec.info.title} ${spec.info.version}: API`;
  document.getElementById("says").replaceWith(prose("p", { id: "says" }, spec.info.description));
  const main = document.getElementById("routes");
  main.textContent = "";
  for (const tag of spec.tags) {
    const section = element("section", {}, element("h2", { textContent: tag.description }));
    for (const [path, methods] of Object.entries(spec.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (operation.tags[0] === tag.name) section.append(route(spec, path, method, operation));
      }
    }
    main.append(section);
  }
  const find = document.getElementById("find");
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const box of main.querySelectorAll("section > details")) box.hidden = !words.every((word) => box.dataset.words.includes(word));
    for (const section of main.children) section.hidden = !section.querySelector("details:not([hidden])");
  });
};

// What was given to the dashboard in this tab.
document.getElementById("token").value = sessionStorage.getItem("gridpact token") || "";

fetch("/openapi.json")
  .then((reply) => reply.json())
  .then(show)
  .catch((error) => { document.getElementById("routes").textContent = `The document can't be read: ${error.message}`; });
