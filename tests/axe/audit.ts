// Looks at a page as axe-core does: in light and in dark, as wide as a small phone, a phone and a desk's screen.
import axe from "axe-core";
import type { Page } from "playwright-core";

export const SCHEMES = ["light", "dark"] as const;
export const WIDTHS = [320, 390, 1440] as const;
const HEIGHT = { 320: 640, 390: 844, 1440: 900 } as const;

const OPTIONS: axe.RunOptions = {
  runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
  // Counted among the experimental ones, and what who speaks to a page depends on (WCAG 2.5.3).
  rules: { "label-content-name-mismatch": { enabled: true } },
  resultTypes: ["violations"],
};

/** What is wrong with what stands on the page, one line a rule, element and view; nothing where all is well. */
export async function audit(page: Page, screen: string): Promise<string[]> {
  const found: string[] = [];
  await page.emulateMedia({ reducedMotion: "reduce" });
  // Once a document: it goes with the page. The page's own policy lets no other script in.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: HEIGHT[width] });
      for (const fault of [...(await run(page)), ...(await cut(page))]) found.push(`${screen}, ${scheme}, ${width} px: ${fault}`);
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  return found;
}

/** Text that its box cuts off, and that does not say so with an ellipsis. */
function cut(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("body *")]
      .filter((element) => {
        const style = getComputedStyle(element);
        if (style.overflowX !== "hidden" || style.textOverflow === "ellipsis" || style.clipPath !== "none") return false;
        const text = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
        return text && (element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1);
      })
      .map((element) => `cut: ${element.className} “${element.textContent}”, ${element.scrollWidth} px in ${element.clientWidth}`),
  );
}

async function run(page: Page): Promise<string[]> {
  return page.evaluate(async (options) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    await frame();
    // One that ends may begin another.
    do {
      await Promise.allSettled(document.getAnimations().map((one) => one.finished));
      await frame();
    } while (document.getAnimations().some((one) => one.playState === "running"));
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(document, options);
    return violations.flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id}: ${node.target.join(" ")} ${[...node.any, ...node.all, ...node.none].map((check) => check.message).join("; ")}`),
    );
  }, OPTIONS);
}
