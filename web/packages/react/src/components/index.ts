/** @stoa/react/components: the styled parts of a call; bring `@stoa/react/styles.css`. */
export { Announcer } from "./announcer";
export { Avatar, hueOf, initials, type AvatarProps } from "./avatar";
export { RejoinBanner, RunningBanner } from "./banners";
export { CallButtons, type CallButtonsProps } from "./call-buttons";
export { CallView, type CallViewProps } from "./call-view";
export { ControlBar } from "./control-bar";
export { DevicesPopover } from "./devices";
export { Icon, type IconName } from "./icons";
export { IncomingCall } from "./incoming-call";
export { InvitePeople, TransferCall } from "./pick-people";
export { Panel, type PanelKind } from "./panel";
export { QualityIndicator } from "./quality";
export { ShortcutsCheck, ShortcutsDialog, type ShortcutsDialogProps } from "./shortcuts";
export { ParkedBanner, WaitingBanner } from "./waiting";
export { layoutOf, Stage, type Layout } from "./stage";
export { CallTile } from "./tile";
