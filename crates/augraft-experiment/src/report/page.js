"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const report = { charts: [], summary: data.summary ?? null, errors: [] };
  window.report = report;
  window.reportReady = false;

  const [FIRST_ROWS, FIRST_STRIPS] = [300, 6];
  const DASHES = ["solid", "dashed", "dotted"];
  const MARKS = {
    circle: "M7.5 6a3.5 3.5 0 1 1 7 0a3.5 3.5 0 1 1-7 0Z", rect: "M7.8 2.8h6.4v6.4H7.8Z",
    triangle: "M11 1.8 15 9.5H7Z", diamond: "M11 1 15 6 11 11 7 6Z",
  };

  const assign = (node, attributes, children) => {
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
    }
    // Strings become text nodes here, so that no text of the data is ever read as HTML.
    node.append(...children.filter((child) => child != null && child !== false));
    return node;
  };
  const el = (tag, attributes = {}, ...children) => assign(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) => assign(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  const button = (text, onclick, more = {}) => el("button", { type: "button", onclick, ...more }, text);

  const finite = (value) => typeof value === "number" && Number.isFinite(value);
  const at = (values, index) => values?.[index] ?? null;
  const format = (value) => {
    if (!finite(value)) return value == null ? "–" : String(value);
    return Number.isInteger(value) && Math.abs(value) < 1e15 ? String(value) : String(Number(value.toPrecision(4)));
  };
  const interval = (low, high) => (finite(low) && finite(high) ? `[${format(low)}, ${format(high)}]` : "");
  const limits = ({ low, high, n }, i) => [interval(at(low, i), at(high, i)), finite(at(n, i)) ? `n ${format(n[i])}` : ""];
  const textWidth = (text) => {
    textWidth.context ??= document.createElement("canvas").getContext("2d");
    textWidth.context.font = `12px ${theme.font}`;
    return Math.ceil(textWidth.context.measureText(text).width);
  };

  let theme = {};
  const themed = [];
  // Colors of the page that ECharts needs as values; `themed` repaints what is drawn with them outside of it.
  const readTheme = () => {
    const style = getComputedStyle(root);
    const pick = (name) => style.getPropertyValue(`--${name}`).trim();
    theme = Object.fromEntries(["paper", "ink", "muted", "line", "grid", "warm"].map((name) => [name, pick(name)]));
    for (const name of ["series", "sequential", "diverging"]) theme[name] = pick(name).split(/\s+/);
    theme.font = pick("body");
  };
  const paint = (painter) => {
    painter();
    themed.push(painter);
  };
  const look = (index) => {
    const round = Math.floor(index / theme.series.length);
    return { color: theme.series[index % theme.series.length], symbol: Object.keys(MARKS)[index % 4], dash: DASHES[round % DASHES.length] };
  };
  const swatch = ({ color, symbol, dash }) => svg("svg", { width: 22, height: 12, "aria-hidden": "true" },
    svg("path", { d: "M0 6H22", stroke: color, "stroke-width": 2, "stroke-dasharray": { dashed: "5 3", dotted: "2 2" }[dash] }),
    MARKS[symbol] ? svg("path", { d: MARKS[symbol], fill: color }) : null);
  const block = (color, opacity = 1) => svg("svg", { width: 12, height: 12, "aria-hidden": "true" },
    svg("rect", { width: 12, height: 12, rx: 2, fill: color, "fill-opacity": opacity }));

  const markOf = ({ kind }, index) => (kind === "bar" ? block(look(index).color) : swatch({ ...look(index), ...(kind === "roc" ? { symbol: "" } : {}) }));

  const tip = (head, rows) => el("div", { class: "tip" }, el("strong", {}, head),
    el("table", {}, ...rows.slice(0, 30).map(([mark, name, ...cells]) =>
      el("tr", {}, el("td", {}, mark ?? "", name), ...cells.map((cell) => el("td", {}, cell))))),
    rows.length > 30 ? `and ${rows.length - 30} more` : null);

  // A plot is an ECharts instance whose option is built anew for every width, theme and selection of series.
  const plots = [];
  const draw = (plot) => {
    const width = plot.box.clientWidth || 600;
    const { height, option } = plot.build(width);
    plot.box.style.height = `${height}px`;
    plot.chart ??= echarts.init(plot.box, null, { renderer: "svg", width, height });
    plot.chart.resize({ width, height });
    const pointer = { lineStyle: { color: theme.muted, type: "solid" }, shadowStyle: { color: theme.muted, opacity: 0.1 } };
    const tooltip = { confine: true, transitionDuration: 0, backgroundColor: theme.paper, borderColor: theme.line, borderWidth: 1 };
    const common = { animation: false, textStyle: { fontFamily: theme.font }, axisPointer: pointer };
    plot.chart.setOption({ ...common, ...option, tooltip: { ...tooltip, ...option.tooltip } }, true);
    plot.chart.getZr().flush();
    Object.assign(plot, { width, cursor: -1 });
  };
  const resized = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({ target }) => {
    const plot = plots.find(({ box }) => box === target);
    if (target.clientWidth && target.clientWidth !== plot.width) draw(plot);
  })));
  const addPlot = (parent, label, build) => {
    const box = el("div", { class: "plot", role: "img", tabindex: 0, "aria-label": `${label}. Arrow keys step through the values.` });
    const plot = { box, build };
    const hide = () => plot.chart.dispatchAction({ type: "hideTip" });
    box.addEventListener("blur", hide);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const series = plot.chart.getOption().series[0];
      if (!step || !series?.data.length || series.silent) return;
      event.preventDefault();
      plot.cursor = Math.min(Math.max(plot.cursor + step, 0), series.data.length - 1);
      plot.chart.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: plot.cursor });
    });
    parent.append(box);
    draw(plot);
    plots.push(plot);
    resized.observe(box);
    return plot;
  };

  const axis = (type, name, more = {}) => {
    const lineStyle = { color: theme.line };
    const axisLabel = { color: theme.muted, fontSize: 12, hideOverlap: true, ...more.axisLabel };
    const drawn = { axisLine: { show: true, lineStyle }, axisTick: { show: true, lineStyle }, splitLine: { lineStyle: { color: theme.grid } } };
    return { type, name, nameTextStyle: { color: theme.muted, fontSize: 13 }, ...drawn, ...more, axisLabel };
  };
  const xAxis = (type, name, more) => axis(type, name, { nameLocation: "middle", nameGap: 30, splitLine: { show: false }, ...more });
  const yAxis = (more) => axis("value", "", more);
  // The name of a y axis is a title above its tick labels, flush left, instead of text turned by 90 degrees.
  const yTitle = (text, top = 2) => ({ text, left: 0, top, padding: 0, textStyle: { color: theme.muted, fontSize: 13, fontWeight: "normal" } });
  const grid = { left: 2, right: 14, top: 30, bottom: 26, outerBoundsMode: "same", outerBoundsContain: "axisLabel" };
  const fixed = { left: 42, right: 14, outerBoundsMode: "none" };
  const bounds = (range) => (range ? { min: range[0], max: range[1] } : {});
  const still = { silent: true, tooltip: { show: false } };
  const diagonal = () => ({
    ...still, type: "line", id: "diagonal", symbol: "none", data: [[0, 0], [1, 1]], z: 5, lineStyle: { color: theme.muted, width: 1.2, type: [5, 4] },
  });

  // Charts of named series with a legend: `build` gets the series that are switched on, with their place among all.
  const seriesChart = (chart, body, build, detail = () => null) => {
    const hidden = new Set();
    let lit = null;
    const shown = () => chart.series.map((series, index) => ({ ...series, index, lit: lit === index, faint: lit !== null && lit !== index }))
      .filter(({ index }) => !hidden.has(index));
    const label = `${chart.title}: ${chart.kind} chart of ${chart.series.map(({ name }) => name).join(", ")}`;
    const plot = addPlot(body, label, (width) => build(shown(), width));
    const legend = body.appendChild(el("div", { class: "legend", role: "group", "aria-label": "Series" }));
    const refresh = (index = null) => {
      lit = index;
      draw(plot);
      [...legend.children].forEach((child, place) => child.setAttribute("aria-pressed", String(!hidden.has(place))));
    };
    const toggle = (index) => {
      if (!hidden.delete(index)) hidden.add(index);
      refresh();
    };
    const alone = (index) => {
      const wasAlone = hidden.size === chart.series.length - 1 && !hidden.has(index);
      chart.series.forEach((_, other) => (wasAlone || other === index ? hidden.delete(other) : hidden.add(other)));
      refresh();
    };
    paint(() => legend.replaceChildren(...chart.series.map((series, index) => {
      const small = detail(series);
      return el("button", {
        type: "button", "aria-pressed": String(!hidden.has(index)), title: "Click: show or hide. Double click: this one alone.",
        onclick: () => toggle(index), ondblclick: () => alone(index),
        onpointerenter: ({ pointerType }) => pointerType === "mouse" && chart.series.length > 1 && !hidden.has(index) && refresh(index),
        onpointerleave: () => lit !== null && refresh(),
      }, markOf(chart, index), el("span", {}, series.name, small ? el("small", {}, small) : null));
    })));
    return plot;
  };

  const tipRows = (chart, items) => items.map(({ seriesId, dataIndex, value }) => {
    const index = Number(seriesId.replace(/^\D+/, ""));
    const series = chart.series[index];
    return [markOf(chart, index), series.name, format(value[1]), ...limits(series, dataIndex)];
  });
  // What a plot shows, read back from ECharts: the field x: ["series", 0] is dimension 0 of the main series.
  const readBack = (chart, plot, fields) => {
    const option = plot.chart.getOption().series;
    const column = (id, dimension) => option.find((series) => series.id === id)?.data.map((point) => point[dimension]) ?? null;
    return chart.series.map((series, index) => ({
      ...series, ...Object.fromEntries(Object.entries(fields).map(([field, [kind, dimension]]) => [field, column(`${kind}${index}`, dimension)])),
    }));
  };
  const withLimits = { y: ["series", 1], low: ["limits", 1], high: ["limits", 2] };

  const whisker = (x, low, high, half) => `M${x} ${low}V${high}M${x - half} ${low}H${x + half}M${x - half} ${high}H${x + half}`;
  const stroke = (pathData, color, opacity = 1) => ({ type: "path", shape: { pathData }, style: { fill: "none", stroke: color, lineWidth: 1.4, opacity } });
  const limitSeries = (series, positions, renderItem) => ({
    ...still, type: "custom", id: `limits${series.index}`, clip: true, encode: { x: 0, y: [1, 2] }, renderItem,
    data: positions.map((x, index) => [x, at(series.low, index), at(series.high, index)]),
  });
  // The first item draws the whole ribbon; a value without neighbors gets a whisker, as a polygon of one point is invisible.
  const ribbon = (series, positions, opacity) => ({ z: 1, ...limitSeries(series, positions, ({ dataIndex }, api) => {
    if (dataIndex !== 0) return null;
    const { color } = look(series.index);
    const runs = [[]];
    positions.forEach((x, index) => {
      const [low, high] = [at(series.low, index), at(series.high, index)];
      if (finite(low) && finite(high)) runs.at(-1).push([api.coord([x, low]), api.coord([x, high])]);
      else runs.push([]);
    });
    const around = (run) => [...run.map(([low]) => low), ...run.map(([, high]) => high).reverse()];
    const band = (run) => ({ type: "polygon", shape: { points: around(run) }, style: { fill: color, opacity } });
    const single = ([[[x, low], [, high]]]) => stroke(whisker(x, low, high, 5), color);
    return { type: "group", children: runs.filter((run) => run.length > 0).map((run) => (run.length === 1 ? single(run) : band(run))) };
  }) });
  const line = ({ index, name, faint }, xs, ys, more) => {
    const { color, symbol, dash } = look(index);
    const opacity = faint ? 0.15 : 1;
    const style = { lineStyle: { width: 2, type: dash, opacity }, itemStyle: { opacity }, emphasis: { lineStyle: { width: 2 } } };
    return { type: "line", id: `series${index}`, name, data: xs.map((x, i) => [x, at(ys, i)]), color, symbol, symbolSize: 7, z: 3, ...style, ...more };
  };

  const curve = (chart, body) => {
    const categorical = chart.series.some(({ x }) => x.some((value) => !finite(value)));
    const names = [...new Set(chart.series.flatMap(({ x }) => x.map(String)))];
    const plot = seriesChart(chart, body, (shown, width) => ({
      height: width < 560 ? 320 : 420,
      option: {
        grid,
        title: yTitle(chart.y.label),
        xAxis: xAxis(categorical ? "category" : "value", chart.x.label, { scale: true, ...(categorical ? { data: names } : {}) }),
        yAxis: yAxis({ scale: true, ...bounds(chart.y.range) }),
        tooltip: { trigger: "axis", formatter: (items) => tip(`${chart.x.label} ${format(items[0].axisValue)}`, tipRows(chart, items)) },
        series: shown.flatMap((series) => {
          const xs = categorical ? series.x.map(String) : series.x;
          const main = line(series, xs, series.y, { showSymbol: xs.length <= 60 });
          const opacity = shown.length <= 3 ? 0.16 : shown.length <= 6 ? 0.1 : 0.04;
          return series.low && series.high ? [main, ribbon(series, xs, series.lit ? 0.22 : series.faint ? 0.02 : opacity)] : [main];
        }),
      },
    }));
    return () => ({ series: readBack(chart, plot, { x: ["series", 0], ...withLimits }) });
  };

  const along = (xs, ys, x) => {
    const next = xs.findIndex((value) => value > x);
    if (next <= 0) return at(ys, next < 0 ? xs.length - 1 : 0);
    return ys[next - 1] + ((x - xs[next - 1]) / (xs[next] - xs[next - 1])) * (ys[next] - ys[next - 1]);
  };
  const roc = (chart, body) => {
    const area = ({ auroc, low, high }) => (finite(auroc) ? `AUROC ${format(auroc)} ${interval(low, high)}` : "");
    const beside = body.appendChild(el("div", { class: "beside" }));
    const plot = seriesChart(chart, beside, (shown, width) => ({
      height: width + 28,
      option: {
        grid: { ...fixed, top: 30, bottom: 54 },
        title: yTitle("true-positive rate"),
        xAxis: xAxis("value", "false-positive rate", { min: 0, max: 1 }),
        yAxis: yAxis({ min: 0, max: 1 }),
        tooltip: { trigger: "axis", formatter: ([{ axisValue }]) => tip(`false-positive rate ${format(axisValue)}`, shown.map((series) =>
          [markOf(chart, series.index), series.name, format(along(series.fpr, series.tpr, axisValue)), area(series)])) },
        series: [...shown.map((series) => line(series, series.fpr, series.tpr, { showSymbol: false })), diagonal()],
      },
    }), area);
    return () => ({ series: readBack(chart, plot, { fpr: ["series", 0], tpr: ["series", 1] }) });
  };

  const bar = (chart, body) => {
    const layout = { barMaxWidth: 56, barGap: "8%", barCategoryGap: "28%" };
    const places = [...chart.x.keys()];
    const whiskers = (series, place, count) => ({ z: 4, ...limitSeries(series, places, (params, api) => {
      if (!finite(api.value(1)) || !finite(api.value(2))) return null;
      const { offsetCenter, width } = api.barLayout({ ...layout, count })[place];
      const [[x, low], [, high]] = [1, 2].map((dimension) => api.coord([api.value(0), api.value(dimension)]));
      return stroke(whisker(x + offsetCenter, low, high, Math.min(6, width / 3)), theme.ink, series.faint ? 0.15 : 1);
    }) });
    const plot = seriesChart(chart, body, (shown, width) => {
      const longest = Math.max(0, ...chart.x.map(textWidth));
      const slot = (width - 72) / chart.x.length;
      const turned = longest > slot - 6;
      const axisLabel = turned ? { interval: 0, rotate: slot < 24 ? 90 : 40, width: slot < 24 ? 110 : 170, overflow: "truncate" } : { interval: 0 };
      return {
        height: (width < 560 ? 300 : 380) + (turned ? Math.min(110, Math.round(longest * 0.65)) : 0),
        option: {
          grid: { ...grid, bottom: 4 },
          title: yTitle(chart.y.label),
          xAxis: xAxis("category", "", { data: chart.x, axisTick: { show: false }, axisLabel }),
          yAxis: yAxis(bounds(chart.y.range)),
          tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, formatter: (items) => tip(items[0].name, tipRows(chart, items)) },
          series: shown.flatMap((series, place) => {
            const itemStyle = { color: look(series.index).color, opacity: series.faint ? 0.2 : 0.85 };
            const main = { type: "bar", id: `series${series.index}`, ...layout, z: 3, data: places.map((i) => [i, at(series.y, i)]), itemStyle };
            return series.low && series.high ? [main, whiskers(series, place, shown.length)] : [main];
          }),
        },
      };
    });
    return () => ({ x: chart.x, series: readBack(chart, plot, withLimits) });
  };

  const scaleOf = ({ panels, z: { range } }) => {
    const values = panels.flatMap(({ z }) => z.flat()).filter(finite);
    const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
    if (low < 0 && high > 0) {
      const most = Math.max(...(range ?? [low, high]).map(Math.abs));
      return { low: -most, high: most, colors: "diverging" };
    }
    if (range || values.length === 0) return { low: range?.[0] ?? 0, high: range?.[1] ?? 1, colors: "sequential" };
    return { low, high: high > low ? high : low + 1, colors: "sequential" };
  };
  const channels = (color) => [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
  // Black text has the better contrast where the relative luminance (WCAG) of the cell is above 0.179.
  const inkOn = (colors, share) => {
    const place = Math.min(Math.max(share, 0), 1) * (colors.length - 1);
    const first = Math.min(Math.floor(place), colors.length - 2);
    const [a, b] = [channels(colors[first]), channels(colors[first + 1])];
    const [red, green, blue] = a.map((channel, i) => (channel + (b[i] - channel) * (place - first)) / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#0c0f12" : "#ffffff";
  };
  const cellText = (value, most) => {
    if (!finite(value)) return "";
    if (most >= 1e5 || most < 0.005) return value === 0 ? "0" : value.toExponential(0);
    return value.toFixed(most >= 100 ? 0 : most >= 10 ? 1 : most >= 0.1 ? 2 : 3).replace(/^-(?=[0.]+$)/, "");
  };
  const heat = (chart, body) => {
    const [xs, ys] = [chart.x.values.map(String), chart.y.values.map(String)];
    const scale = scaleOf(chart);
    const most = Math.max(Math.abs(scale.low), Math.abs(scale.high));
    const room = Math.max(0, ...chart.panels.flatMap(({ z }) => z.flat()).map((value) => textWidth(cellText(value, most)))) + 8;
    const gutter = (width) => Math.min(Math.max(24, ...ys.map(textWidth)) + 12, Math.round(width * 0.34));
    const panels = el("div", { class: "panels" });
    const arrange = () => {
      const width = body.clientWidth || 600;
      const fit = Math.floor((width + 32) / (gutter(width) + xs.length * Math.max(room, 28) + 42));
      panels.style.gridTemplateColumns = `repeat(${Math.min(Math.max(fit, 1), chart.panels.length, 4)}, minmax(0, 1fr))`;
    };
    arrange();
    window.addEventListener("resize", arrange);
    const key = el("div", { class: "scale" });
    body.append(key, panels);
    paint(() => {
      const ramp = el("i", { style: `background-image: linear-gradient(to right, ${theme[scale.colors].join(", ")})` });
      key.replaceChildren(el("b", {}, chart.z.label), format(scale.low), ramp, format(scale.high));
    });
    const build = (panel, width) => {
      const left = gutter(width);
      const colors = theme[scale.colors];
      const plain = { axisTick: { show: false }, axisLine: { show: false }, splitLine: { show: false } };
      const cells = ys.flatMap((_, y) => xs.map((__, x) => [x, y, at(panel.z[y], x)])).filter(([, , value]) => finite(value));
      return {
        height: ys.length * (ys.length > 14 ? 24 : 36) + 56,
        option: {
          grid: { left, right: 10, top: 4, bottom: 52, outerBoundsMode: "none" },
          xAxis: xAxis("category", chart.x.label, { ...plain, data: xs }),
          yAxis: axis("category", "", { ...plain, data: ys, inverse: true, axisLabel: { interval: 0, width: left - 10, overflow: "truncate" } }),
          visualMap: { show: false, min: scale.low, max: scale.high, dimension: 2, inRange: { color: colors } },
          tooltip: { formatter: ({ value: [x, y, z] }) => tip(panel.name, [[null, chart.y.label, ys[y]], [null, chart.x.label, xs[x]],
            [null, chart.z.label, format(z), ...limits({ low: panel.low?.[y], high: panel.high?.[y], n: panel.n?.[y] }, x)]]) },
          series: [{
            type: "heatmap", id: "series0", itemStyle: { borderColor: theme.paper, borderWidth: 1 },
            data: cells.map((value) => ({ value, label: { color: inkOn(colors, (value[2] - scale.low) / (scale.high - scale.low)) } })),
            label: { show: (width - left - 10) / xs.length >= room, fontSize: 12, formatter: ({ value }) => cellText(value[2], most) },
            emphasis: { itemStyle: { borderColor: theme.ink, borderWidth: 2 } },
          }],
        },
      };
    };
    const built = chart.panels.map((panel) => {
      const holder = panels.appendChild(el("div", {}, el("h3", {}, panel.name)));
      const label = `${chart.title}, ${panel.name}: heat map of ${chart.z.label} by ${chart.y.label} and ${chart.x.label}`;
      return addPlot(holder, label, (width) => build(panel, width));
    });
    const gridOf = (plot) => {
      const z = ys.map(() => xs.map(() => null));
      for (const { value } of plot.chart.getOption().series[0].data) z[value[1]][value[0]] = value[2];
      return z;
    };
    return () => ({ x: xs, y: ys, panels: chart.panels.map((panel, index) => ({ ...panel, z: gridOf(built[index]) })) });
  };

  const binTip = (name, { low, high, accuracy, confidence, n }) => {
    const gap = finite(confidence) ? accuracy - confidence : null;
    const rows = [["accuracy", accuracy], ["mean confidence", confidence], ["gap", gap], ["n", n]];
    return tip(`${name}, confidence ${format(low)} to ${format(high)}`, rows.map(([label, value]) => [null, label, format(value)]));
  };
  const reliability = (chart, body) => {
    const key = el("div", { class: "key" });
    const panels = el("div", { class: "panels squares" });
    body.append(key, panels);
    paint(() => key.replaceChildren(el("span", {}, block(theme.series[0], 0.75), "accuracy"), el("span", {}, block(theme.warm, 0.4), "gap to the mean confidence"),
      el("span", {}, swatch({ color: theme.muted, dash: "dashed" }), "perfect calibration")));
    const build = ({ name, bins }, width) => {
      const side = width - fixed.left - fixed.right;
      const count = Math.max(1, ...bins.map(({ n }) => n ?? 0));
      const unit = { min: 0, max: 1, interval: 0.25 };
      const rect = (api, { low, high }, from, to, style) => {
        const [[left, top], [right, bottom]] = [api.coord([low, Math.max(from, to)]), api.coord([high, Math.min(from, to)])];
        return { type: "rect", shape: { x: left + 0.5, y: top, width: Math.max(right - left - 1, 1), height: bottom - top }, style };
      };
      // Under every bin lies a clear rectangle of full height, so that the hover also finds short bars.
      const binned = (id, place, top, column, bars) => ({
        type: "custom", id, xAxisIndex: place, yAxisIndex: place, encode: { x: [0, 1], y: 2 },
        data: bins.map((bin) => [bin.low, bin.high, bin[column], bin.confidence, bin.n]),
        renderItem: ({ dataIndex }, api) => {
          const bin = bins[dataIndex];
          if (!(bin.n > 0) || !finite(bin.accuracy)) return null;
          return { type: "group", children: [rect(api, bin, 0, top, { fill: "rgba(0,0,0,0)" }), ...bars(api, bin)] };
        },
      });
      return {
        height: side + 164,
        option: {
          grid: [{ ...fixed, top: 28, height: side }, { ...fixed, top: side + 66, height: 52 }],
          title: [yTitle("accuracy"), yTitle("count", side + 42)],
          xAxis: [xAxis("value", "", { ...unit, axisLabel: { show: false } }), xAxis("value", "confidence", { ...unit, gridIndex: 1 })],
          yAxis: [yAxis(unit), yAxis({ gridIndex: 1, min: 0, max: count, interval: count, axisLabel: { showMinLabel: false } })],
          tooltip: { formatter: ({ dataIndex }) => binTip(name, bins[dataIndex]) },
          series: [
            binned("series0", 0, 1, "accuracy", (api, bin) => [
              rect(api, bin, 0, Math.min(bin.accuracy, bin.confidence ?? 1), { fill: theme.series[0], opacity: 0.75 }),
              ...(finite(bin.confidence) ? [rect(api, bin, bin.accuracy, bin.confidence, { fill: theme.warm, opacity: 0.4 })] : []),
              rect(api, bin, bin.accuracy, bin.accuracy, { fill: "none", stroke: theme.series[0], lineWidth: 2 }),
            ]),
            binned("count0", 1, count, "n", (api, bin) => [rect(api, bin, 0, bin.n, { fill: theme.muted, opacity: 0.7 })]),
            diagonal(),
          ],
        },
      };
    };
    const built = chart.panels.map((panel) => {
      const total = panel.bins.reduce((sum, { n }) => sum + (n ?? 0), 0);
      const small = `${finite(panel.ece) ? `ECE ${format(panel.ece)}, ` : ""}n ${total}`;
      const holder = panels.appendChild(el("div", {}, el("h3", {}, panel.name, el("span", {}, small))));
      return addPlot(holder, `${chart.title}, ${panel.name}: reliability diagram`, (width) => build(panel, width));
    });
    const binsOf = (plot) => plot.chart.getOption().series[0].data.map(([low, high, accuracy, confidence, n]) => ({ low, high, confidence, accuracy, n }));
    return () => ({ panels: chart.panels.map((panel, index) => ({ ...panel, bins: binsOf(built[index]) })) });
  };

  const viewer = document.getElementById("viewer");
  const enlarge = (images, start) => {
    let index = start;
    const [picture, text] = [el("img"), el("p", { "aria-live": "polite" })];
    const show = (step) => {
      index = (index + step + images.length) % images.length;
      const { src, caption } = images[index];
      Object.assign(picture, { src, alt: caption });
      text.textContent = caption;
    };
    picture.addEventListener("load", () => picture.classList.toggle("small", picture.naturalWidth <= 128));
    viewer.replaceChildren(picture, el("div", {}, text, button("←", () => show(-1), { "aria-label": "Previous image" }),
      button("→", () => show(1), { "aria-label": "Next image" }), button("Close", () => viewer.close())));
    viewer.onkeydown = ({ key }) => { if (key === "ArrowLeft") show(-1); else if (key === "ArrowRight") show(1); };
    viewer.onclick = ({ target }) => { if (target === viewer) viewer.close(); };
    show(0);
    viewer.showModal();
  };
  const strip = (chart, body) => {
    const both = (row, image) => [row.caption, image.caption].filter(Boolean).join(", ");
    const images = chart.rows.flatMap((row) => row.images.map((image) => ({ src: image.src, caption: both(row, image) })));
    let next = 0;
    const rowOf = (row) => el("div", { class: "strip" }, el("div", {}, row.caption), el("div", { class: "images" }, ...row.images.map((image) => {
      const place = next++;
      const picture = el("img", { decoding: "async", alt: both(row, image), src: image.src });
      return el("button", { type: "button", title: "Enlarge", onclick: () => enlarge(images, place) }, picture, el("span", {}, image.caption));
    })));
    const list = body.appendChild(el("div", {}, ...chart.rows.slice(0, FIRST_STRIPS).map(rowOf)));
    if (chart.rows.length > FIRST_STRIPS) {
      body.append(button(`Show all ${chart.rows.length} rows`, ({ target }) => {
        list.append(...chart.rows.slice(FIRST_STRIPS).map(rowOf));
        target.remove();
      }, { class: "more" }));
    }
    return () => ({ rows: chart.rows.map((row) => ({ caption: row.caption, images: row.images.map(({ caption }) => caption) })) });
  };

  // The older way to copy, because the clipboard interface asks for a secure context, which a file is not in every browser.
  const copy = (text) => {
    const area = document.body.appendChild(el("textarea", {}, text));
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  const csv = (rows) => rows.map((row) => `${row.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")}\n`).join("");
  const isNumber = (text) => text !== "" && Number.isFinite(Number(text));
  const table = (body, { columns, rows }) => {
    const used = [...columns.keys()].filter((column) => rows.some((row) => row[column] !== ""));
    const numeric = new Set(used.filter((column) => rows.every((row) => row[column] === "" || isNumber(row[column]))));
    const texts = rows.map((row) => row.join("\n").toLowerCase());
    const state = { sorted: null, descending: false, kept: rows, count: 0 };
    const search = el("input", { type: "search", placeholder: "Filter, for example: shallow top1", "aria-label": "Filter the rows by words" });
    const status = el("output", { "aria-live": "polite" });
    const tbody = el("tbody");
    const more = button(`Show ${FIRST_ROWS} more`, () => render(state.count + FIRST_ROWS), { class: "more" });
    const render = (count) => {
      state.count = count;
      const shown = state.kept.slice(0, count);
      tbody.replaceChildren(...shown.map((row) => el("tr", {}, ...used.map((column) => el("td", { class: numeric.has(column) && "number" }, row[column])))));
      more.hidden = shown.length === state.kept.length;
      status.textContent = `${shown.length} of ${state.kept.length} rows${state.kept.length < rows.length ? ` (${rows.length} unfiltered)` : ""}`;
    };
    const compare = (a, b) => {
      const [left, right] = [a[state.sorted], b[state.sorted]];
      if (left === "" || right === "") return (left === "") - (right === "");
      const order = isNumber(left) && isNumber(right) ? left - right : left < right ? -1 : Number(left > right);
      return state.descending ? -order : order;
    };
    const update = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = choices.filter(({ select }) => select.value !== "");
      const keeps = (row, text) => words.every((word) => text.includes(word)) && chosen.every(({ column, select }) => row[column] === select.value);
      state.kept = rows.filter((row, i) => keeps(row, texts[i]));
      if (state.sorted !== null) state.kept.sort(compare);
      render(FIRST_ROWS);
    };
    let timer = 0;
    search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(update, 150);
    });
    const choices = used.filter((column) => !numeric.has(column)).flatMap((column) => {
      const values = [...new Set(rows.map((row) => row[column]))].filter(Boolean);
      if (values.length < 2 || values.length > 30) return [];
      const options = [el("option", { value: "" }, `any ${columns[column]}`), ...values.map((value) => el("option", { value }, value))];
      return [{ column, select: el("select", { "aria-label": `Keep one ${columns[column]}`, onchange: () => update() }, ...options) }];
    });
    const heads = used.map((column) => {
      const sort = button(columns[column], () => {
        state.descending = state.sorted === column && !state.descending;
        state.sorted = column;
        heads.forEach((head) => head.removeAttribute("aria-sort"));
        sort.parentNode.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
        update();
      });
      return el("th", { scope: "col", class: numeric.has(column) && "number" }, sort);
    });
    const copied = button("Copy as CSV", () => {
      copy(csv([columns, ...state.kept]));
      status.textContent = `Copied ${state.kept.length} rows`;
    });
    body.append(el("div", { class: "controls" }, search, ...choices.map(({ select }) => select), copied, status),
      el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "Table of values" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), tbody)), more);
    render(FIRST_ROWS);
  };

  const setTheme = (name) => {
    root.dataset.theme = name;
    readTheme();
    themed.forEach((painter) => painter());
    plots.forEach(draw);
  };
  const switchTheme = () => {
    setTheme(root.dataset.theme === "dark" ? "light" : "dark");
    try { localStorage.setItem("augraft-theme", root.dataset.theme); } catch { /* the choice lasts as long as the page */ }
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => setTheme(matches ? "dark" : "light"));
  const dressForPrint = (width, name) => {
    document.body.style.width = width;
    document.body.dataset.screen = root.dataset.theme;
    setTheme(name);
  };
  window.addEventListener("beforeprint", () => dressForPrint("690px", "light"));
  window.addEventListener("afterprint", () => dressForPrint("", document.body.dataset.screen));

  const kinds = { curve, heat, reliability, roc, bar, strip };
  const toc = document.getElementById("contents").appendChild(el("ol"));
  const section = (id, title) => {
    toc.append(el("li", {}, el("a", { href: `#${id}` }, title)));
    return document.getElementById("content").appendChild(el("section", { id }, el("h2", {}, title)));
  };
  readTheme();
  assign(document.getElementById("head"), {}, [
    el("div", { class: "top" }, el("h1", {}, data.title), button("Light / dark", switchTheme, { "aria-label": "Switch between light and dark" })),
    el("p", { class: "description" }, data.description),
    data.command && el("div", { class: "command" }, el("code", {}, data.command), button("Copy", () => copy(data.command), { "aria-label": "Copy the command" })),
    el("dl", { class: "facts" }, ...(data.facts ?? []).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    data.notes?.length > 0 && el("ul", { class: "notes" }, ...data.notes.map((note) => el("li", {}, note))),
  ]);
  const jobs = (data.charts ?? []).map((chart, index) => {
    const body = section(`chart-${index + 1}`, chart.title);
    if (chart.note) body.append(el("p", { class: "note" }, chart.note));
    return () => {
      // One chart that is malformed must not take the rest of the report with it; tests read report.errors.
      try {
        if (!kinds[chart.kind]) throw new Error(`unknown kind ${chart.kind}`);
        const drawn = kinds[chart.kind](chart, body);
        report.charts.push({ kind: chart.kind, title: chart.title, ...drawn() });
      } catch (error) {
        report.errors.push(`${chart.title}: ${error.message}`);
        body.append(el("p", { class: "failed", role: "alert" }, `This chart could not be drawn: ${error.message}`));
      }
    };
  });
  if (data.summary?.rows.length) {
    const body = section("summary", "Summary");
    jobs.push(() => table(body, data.summary));
  }
  const next = () => {
    const job = jobs.shift();
    if (job) {
      job();
      // Gives the browser a turn between charts, so that a long report can be read while it is drawn.
      setTimeout(next, 0);
      return;
    }
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
    window.reportReady = true;
  };
  next();
})();
