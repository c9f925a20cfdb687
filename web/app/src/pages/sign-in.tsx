/** Signing in: with an account, or in development mode with just a name. */
import { useStoa, useStoaState } from "@stoa/react/hooks";
import { Tabs } from "radix-ui";
import { useId, useState, type SubmitEvent, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useErrorText } from "../errors";
import { Colonnade } from "../parts/colonnade";
import { Mark } from "../parts/mark";

export function SignIn() {
  const { t } = useTranslation();
  const dev = useStoaState((s) => s.session?.dev ?? false);
  const signUp = useStoaState((s) => s.session?.signUp ?? false);
  return (
    <div className="app-gate">
      <div className="app-gate-porch"><Colonnade /></div>
      <main className="app-gate-form" id="content" tabIndex={-1}>
        <div className="app-gate-head">
          <Mark size={40} />
          <h1>{t("signIn.title")}</h1>
          <p>{t("app.claim")}</p>
        </div>
        {dev ? (
          <>
            <GuestForm />
            <p className="app-rule"><span>{t("signIn.or")}</span></p>
          </>
        ) : null}
        {signUp ? (
          <Tabs.Root defaultValue="in" className="app-tabs">
            <Tabs.List className="app-tab-list" aria-label={t("signIn.title")}>
              <Tabs.Trigger value="in">{t("signIn.tab")}</Tabs.Trigger>
              <Tabs.Trigger value="up">{t("signIn.tabNew")}</Tabs.Trigger>
            </Tabs.List>
            <Tabs.Content value="in" tabIndex={-1}><AccountForm quiet={dev} /></Tabs.Content>
            <Tabs.Content value="up" tabIndex={-1}><AccountForm fresh quiet={dev} /></Tabs.Content>
          </Tabs.Root>
        ) : (
          <AccountForm quiet={dev} />
        )}
      </main>
    </div>
  );
}

function GuestForm() {
  const { t } = useTranslation();
  const stoa = useStoa();
  const [name, setName] = useState("");
  return (
    <Form act={() => stoa.signInAsGuest(name.trim())} ready={name.trim() !== ""} submit={t("signIn.guest")}>
      <Field label={t("signIn.guestName")} value={name} onChange={setName} autoComplete="nickname" hint={t("signIn.guestHint")} autoFocus />
    </Form>
  );
}

function AccountForm({ fresh = false, quiet }: { fresh?: boolean; quiet: boolean }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [name, setName] = useState("");
  const act = (): Promise<void> =>
    fresh ? stoa.signUp(username.trim(), password, name.trim() || undefined) : stoa.signIn(username.trim(), password);
  return (
    <Form act={act} ready={username.trim() !== "" && password !== ""} submit={t(fresh ? "signIn.submitNew" : "signIn.submit")} quiet={quiet}>
      <Field label={t("signIn.username")} value={username} onChange={setUsername} autoComplete="username" autoFocus={!quiet} plain />
      {fresh ? <Field label={t("signIn.displayName")} value={name} onChange={setName} autoComplete="name" /> : null}
      <Field
        label={t("signIn.password")} value={password} onChange={setPassword} type="password"
        autoComplete={fresh ? "new-password" : "current-password"}
      />
    </Form>
  );
}

interface FormProps {
  act: () => Promise<void>;
  ready: boolean;
  submit: string;
  quiet?: boolean;
  children: ReactNode;
}

function Form({ act, ready, submit, quiet = false, children }: FormProps) {
  const textOf = useErrorText();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const send = (event: SubmitEvent): void => {
    event.preventDefault();
    if (!ready || busy) return;
    setBusy(true);
    setError(null);
    act()
      .catch((reason: unknown) => setError(textOf(reason)))
      .finally(() => setBusy(false));
  };
  return (
    <form className="app-form" onSubmit={send}>
      {children}
      {error === null ? null : <p className="app-error" role="alert">{error}</p>}
      <button type="submit" className="stoa-button" data-tone="accent" data-quiet={quiet} disabled={!ready || busy}>{submit}</button>
    </form>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  autoComplete: string;
  type?: "text" | "password";
  hint?: string;
  autoFocus?: boolean;
  /** Not a word in any language: no capitals, no spell checking. */
  plain?: boolean;
}

function Field({ label, value, onChange, autoComplete, type = "text", hint, autoFocus = false, plain = false }: FieldProps) {
  const id = useId();
  return (
    <div className="app-field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id} type={type} value={value} autoComplete={autoComplete} autoFocus={autoFocus} maxLength={128}
        aria-describedby={hint ? `${id}-hint` : undefined}
        {...(plain ? { autoCapitalize: "none", spellCheck: false } : {})}
        onChange={(event) => onChange(event.target.value)}
      />
      {hint ? <small id={`${id}-hint`}>{hint}</small> : null}
    </div>
  );
}
