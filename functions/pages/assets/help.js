// `/help`: the notice's table of the three set-ups, in the words of the policy, and its dates.

import { TITLES, notice, showDates } from "./notice.js";
import { byId, el, press } from "./page.js";

const COLUMNS = [
  ["What it is", "what"],
  ["How it works", "how"],
  ["Action needed", "action"],
];

async function start() {
  const policy = await notice();
  showDates(byId("dates"), policy);
  byId("choices").replaceChildren(table(policy.set_ups));
}

/** On a phone its rows become blocks, which takes a table's roles away from what is read out: so they are said. */
function table(setUps) {
  const heads = ["Set-up", ...COLUMNS.map(([title]) => title)];
  return el(
    "table",
    { role: "table" },
    el("caption", {}, "One of these three verified set-ups is enough. More than one is better still."),
    el(
      "thead",
      { role: "rowgroup" },
      el("tr", { role: "row" }, ...heads.map((title) => el("th", { role: "columnheader", scope: "col" }, title))),
    ),
    el(
      "tbody",
      { role: "rowgroup" },
      ...setUps.map((setUp) =>
        el(
          "tr",
          { role: "row" },
          el("th", { role: "rowheader", scope: "row" }, TITLES[setUp.id] ?? setUp.id),
          ...COLUMNS.map(([title, name]) => el("td", { role: "cell", "data-column": title }, setUp[name])),
        ),
      ),
    ),
  );
}

async function begin() {
  byId("try-again").hidden = true;
  byId("try-again").hidden = await press(byId("try-again"), start);
}

byId("try-again").addEventListener("click", begin);

begin();
