/** The icons, drawn here: 24 by 24, one stroke width, the colour of the text. Always beside text or in a control with a name. */
import type { ReactNode } from "react";

const shapes = {
  phone: <path d="M6.6 3.5h2.7l1.5 4-2 1.6a12.4 12.4 0 0 0 6.1 6.1l1.6-2 4 1.5v2.7a2 2 0 0 1-2.2 2A17 17 0 0 1 4.600 5.700a2 2 0 0 1 2-2.200Z" />,
  hangUp: <path d="M3.200 15.300c-.9-1.300-.7-2.900.5-4C5.900 9.300 8.900 8.200 12 8.200s6.100 1.100 8.300 3.100c1.200 1.100 1.400 2.700.5 4l-.6.8-4-1.500v-2.300a12.600 12.600 0 0 0-8.400 0v2.300l-4 1.500-.6-.8Z" />,
  video: <><rect x="2.800" y="6" width="12.700" height="12" rx="2.600" /><path d="m15.500 10.500 5.700-3v9l-5.700-3" /></>,
  videoOff: <><path d="M6.500 6h6.400a2.600 2.600 0 0 1 2.600 2.600v1.900l5.700-3v9l-3.200-1.700M15.500 15.500a2.600 2.600 0 0 1-2.600 2.500H5.400a2.600 2.600 0 0 1-2.600-2.600V8.600c0-.9.400-1.600 1.100-2.100" /><path d="m3 3 18 18" /></>,
  mic: <><rect x="9" y="3" width="6" height="11" rx="3" /><path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3" /></>,
  micOff: <><path d="M9 9V6a3 3 0 0 1 5.900-.8M15 10.500V11a3 3 0 0 1-.4 1.500M9 9v2a3 3 0 0 0 3.600 2.900M5.500 11.500a6.500 6.500 0 0 0 10.300 5.300M18.500 11.500c0 1-.2 1.900-.6 2.700M12 18v3" /><path d="m3.500 3.500 17 17" /></>,
  screen: <><rect x="2.800" y="4.500" width="18.400" height="12.500" rx="2.200" /><path d="M12 13.800V8m-2.700 2.400L12 7.700l2.700 2.700M8.500 20.500h7" /></>,
  sliders: <path d="M4 7h9m4.500 0H20M4 17h2.500m4.500 0h9M15.200 4.800a2.200 2.200 0 1 1 0 4.400 2.200 2.200 0 0 1 0-4.400ZM8.800 14.800a2.200 2.200 0 1 1 0 4.400 2.200 2.200 0 0 1 0-4.400Z" />,
  clock: <><circle cx="12" cy="12" r="8.700" /><path d="M12 7v5.300l3.300 2" /></>,
  people: <><circle cx="9" cy="8.500" r="3.500" /><path d="M2.800 19.500c.3-3.400 2.900-5.500 6.200-5.500s5.900 2.100 6.200 5.500M16 5.300a3.500 3.500 0 0 1 0 6.400m2 2.800c1.900.8 3.100 2.500 3.300 5" /></>,
  hash: <path d="M9.500 4 7.500 20M16.500 4l-2 16M4.500 9h15.500M4 15h15.500" />,
  plus: <path d="M12 5v14M5 12h14" />,
  search: <><circle cx="10.800" cy="10.800" r="6.800" /><path d="m20.500 20.500-4.900-4.900" /></>,
  outgoing: <path d="M6.500 17.500 17 7M9 6.500h8.500V15" />,
  incoming: <path d="M17.500 6.500 7 17M15 17.500H6.500V9" />,
  missed: <path d="m4 6.500 8 8 8-8M4 12.500v-6h6" />,
  sound: <path d="M4 9.500v5h3.500l5 4v-13l-5 4H4ZM16 9a4.200 4.200 0 0 1 0 6M18.600 6.300a8 8 0 0 1 0 11.400" />,
  back: <path d="m14.500 5.500-6.500 6.500 6.500 6.500" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  weak: <path d="M4 19.500v-3M9.300 19.500v-6.500" />,
  pause: <path d="M8.500 5v14M15.500 5v14" />,
  play: <path d="M7.500 4.800v14.400l11.500-7.200Z" />,
  chat: <path d="M4 5.500h16a1.200 1.200 0 0 1 1.200 1.200v9.100a1.200 1.200 0 0 1-1.200 1.200h-8.500l-4.700 3.700V17H4a1.200 1.200 0 0 1-1.200-1.200V6.700A1.200 1.200 0 0 1 4 5.500Z" />,
  transfer: <path d="M3.500 12h15M13 6l6 6-6 6M3.500 6.500v11" />,
  more: <g strokeWidth="3"><path d="M5.500 12h.01M12 12h.01M18.500 12h.01" /></g>,
  lock: <><rect x="5" y="10.500" width="14" height="9.500" rx="2.200" /><path d="M8.300 10.500V7.700a3.700 3.700 0 0 1 7.400 0v2.800" /></>,
  send: <path d="m4 12 16.500-8-4.500 16.500-4-6.500Zm8 2 8.500-10" />,
  record: <><circle cx="12" cy="12" r="8.700" /><circle cx="12" cy="12" r="3.600" fill="currentColor" /></>,
  download: <path d="M12 4v11m-4.500-4.300L12 15.200l4.500-4.500M4.500 19.500h15" />,
  link: <path d="M10 14a4 4 0 0 0 5.700 0l3.200-3.200a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3.200 3.200a4 4 0 0 0 5.700 5.700l1-1" />,
  film: <><rect x="3" y="5" width="18" height="14" rx="2.400" /><path d="M10 9v6l5-3Z" /></>,
  rewind: <path d="M4.500 12a7.500 7.500 0 1 0 2.600-5.700M4.500 4.500v3.800h3.800" />,
  forward: <path d="M19.500 12a7.500 7.500 0 1 1-2.600-5.700M19.500 4.500v3.800h-3.800" />,
  check: <path d="m5 12.500 4.500 4.500L19 7.500" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof shapes;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="stoa-icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor"
      strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false"
    >
      {shapes[name]}
    </svg>
  );
}
