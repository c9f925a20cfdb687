/** The app: what it shows depends on who is signed in. Calls cover everything else. */
import type { Stoa } from "@stoa/client";
import { Announcer, CallView, IncomingCall } from "@stoa/react/components";
import { StoaProvider, useCurrentCall, useFocusHome, useIncomingCall, useNames, useStoaState, type Say } from "@stoa/react/hooks";
import { useCallback, useEffect } from "react";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "./errors";
import { DoctorPage } from "./pages/doctor-page";
import { SignIn } from "./pages/sign-in";
import { Shell } from "./pages/shell";
import { Mark } from "./parts/mark";
import { Notices } from "./parts/notices";
import { useWakeLock } from "./parts/wake-lock";
import { useRoute } from "./routes";

export function App({ stoa }: { stoa: Stoa }) {
  const { t } = useTranslation();
  const say: Say = useCallback((phrase, values) => t(phrase, { ns: "calls", ...values }), [t]);
  return (
    <StoaProvider stoa={stoa} say={say}>
      <Screen />
      <Notices />
    </StoaProvider>
  );
}

function Screen() {
  const { t } = useTranslation();
  const phase = useStoaState((s) => s.phase);
  const route = useRoute();
  useFocusHome(() => document.getElementById("content"));
  switch (phase) {
    case "loading":
      return <Wait text={t("app.loading")} />;
    case "unreachable":
      return <Wait text={t("app.unreachable")} />;
    case "signed_out":
      return <SignIn />;
    case "signed_in":
      return route.at === "doctor" ? <DoctorPage /> : <SignedIn />;
  }
}

function Wait({ text }: { text: string }) {
  const { t } = useTranslation();
  return (
    <main className="app-wait" id="content" tabIndex={-1}>
      <h1><Mark />{t("app.name")}</h1>
      <p role="status">{text}</p>
    </main>
  );
}

function SignedIn() {
  const onError = useErrorToast();
  const inCall = useCurrentCall() !== null;
  useWakeLock(inCall);
  useTitle();
  return (
    <>
      <div inert={inCall}><Shell /></div>
      <CallView onError={onError} />
      <IncomingCall onError={onError} />
      <Announcer />
    </>
  );
}

/** Shows who is calling in the title, for a tab in the background. */
function useTitle(): void {
  const { t } = useTranslation();
  const names = useNames();
  const incoming = useIncomingCall();
  const caller = incoming && names.user(incoming.call.initiatorId, incoming.callerName);
  useEffect(() => {
    document.title = caller === null ? t("app.name") : t("title.calling", { name: caller });
  }, [caller, t]);
}
