// The interface's document in a readable form. Everything is put in as text, never as markup.
"use strict";

function made(tag, text, ...children) {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

function shape(schema) {
  return made("pre", JSON.stringify(schema, null, 2));
}

function parameters(list) {
  const rows = list.map((each) =>
    made("tr", "", made("td", "", made("code", each.name)), made("td", each.in), made("td", each.description || "")),
  );
  return made("table", "", ...rows);
}

function operation(method, path, told) {
  const summary = made("summary", "", made("b", method.toUpperCase()), made("code", path));
  const role = made("span", told["x-role"] || "");
  role.className = "role";
  summary.append(role);
  const parts = [made("p", told.description || told.summary || "")];
  if (told.parameters) parts.push(parameters(told.parameters));
  if (told.requestBody) parts.push(made("p", "Body"), shape(told.requestBody.content));
  for (const [status, answer] of Object.entries(told.responses)) {
    parts.push(made("p", `${status}: ${answer.description}`));
    if (answer.content && Number(status) < 300) parts.push(shape(answer.content));
  }
  return made("details", "", summary, ...parts);
}

function group(name, title, children) {
  const heading = made("h2", title);
  heading.id = name;
  return [heading, ...children];
}

async function show() {
  const main = document.getElementById("docs");
  try {
    const told = await (await fetch("/openapi.json")).json();
    const groups = new Map();
    for (const [path, methods] of Object.entries(told.paths))
      for (const [method, each] of Object.entries(methods)) {
        const tag = (each.tags || ["other"])[0];
        groups.set(tag, [...(groups.get(tag) || []), operation(method, path, each)]);
      }
    const sockets = Object.entries(told["x-websockets"]).map(([path, each]) =>
      made("details", "", made("summary", "", made("b", "WS"), made("code", path)), made("p", each.description), shape(each)),
    );
    groups.set("websockets", sockets);
    const shapes = Object.entries(told.components.schemas).map(([name, schema]) =>
      made("details", "", made("summary", "", made("code", name)), shape(schema)),
    );
    groups.set("shapes", shapes);
    const links = [...groups.keys()].map((name) => {
      const link = made("a", name);
      link.href = `#${name}`;
      return link;
    });
    main.replaceChildren(
      made("h1", `${told.info.title} ${told.info.version}`),
      made("p", told.info.description),
      made("nav", "", ...links),
      ...[...groups].flatMap(([name, children]) => group(name, name, children)),
    );
  } catch (error) {
    main.replaceChildren(made("p", `The document cannot be read: ${error.message}`));
  }
}

show();
