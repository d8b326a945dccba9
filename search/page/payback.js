// After how many queries the search has paid for itself. All of it is estimated, see search/spent.py.

const JOULES_PER_KWH = 3.6e6;

function paybackRows() {
  const {target} = state, {kwh} = view.spent, [energy, co2, money] = ["energy", "co2", "money"].map(costNamed);
  const perDay = Number(byId("queries").value);
  const head = ["candidate", "saved by a million queries: kWh", "CO2", "electricity", "paid for itself after",
    "at so many queries a day"];
  const chosen = membersOn(target), named = answer().chosen;
  const listed = named && named !== view.original && !chosen.includes(named) ? [named, ...chosen] : chosen;
  const rows = listed.map(c => {
    const saved = cost => costOf(view.original, target, cost) - costOf(c, target, cost);
    const kwhSaved = saved(energy) * 1e6 / JOULES_PER_KWH, queries = kwh / (kwhSaved / 1e6);
    const pays = kwhSaved > 0;
    const days = queries / perDay;
    return [c.id, number(kwhSaved), `${number(saved(co2))} g`, number(saved(money)),
      pays ? counted(Math.ceil(Number(queries.toPrecision(3))), "query").replace("querys", "queries") : "never: it saves nothing",
      pays && perDay > 0 ? (days < 1 ? "less than a day" : counted(Math.ceil(Number(days.toPrecision(3))), "day")) : "-"];
  });
  return [head, ...rows];
}

function drawPayback() {
  const place = byId("payback");
  if (!place || !view.spent) return;
  const [head, ...rows] = paybackRows();
  place.replaceChildren(table("After how many queries the search has paid for itself", head, rows),
    html("div", {class: "tools"}, csvButton("payback", "what is saved", paybackRows),
      html("span", {class: "soft"}, `On ${state.target}; estimates.`)));
}
