// Starts all parts; follows the window, the colour scheme and the printer.

showSummary();
showGraph();
showPanel();
showLedger();
showScatter();
showSweep();
showFiring();
showRaster();
showCosts();

let resizing = 0;
window.addEventListener("resize", () => {
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => {
    arrange();
    for (const { chart } of charts.values()) chart?.resize();
    repaint();
  });
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

// On paper everything is light, all plots are drawn, and the graph is a picture of the whole network.
window.addEventListener("beforeprint", () => {
  document.documentElement.dataset.theme = "light";
  repaint();
  drawAll();
  for (const svg of document.querySelectorAll(".chart svg")) { // so that the style sheet can scale it to the paper
    svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
  }
  $("graph-print").src = cy.png({ full: true, maxWidth: 2400, maxHeight: 3000, bg: "#ffffff" });
});
window.addEventListener("afterprint", () => {
  for (const svg of document.querySelectorAll(".chart svg")) svg.removeAttribute("viewBox");
  delete document.documentElement.dataset.theme;
  repaint();
});
document.documentElement.dataset.ready = "true";
