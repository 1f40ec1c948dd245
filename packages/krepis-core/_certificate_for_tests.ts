// A certificate for localhost, made by the `knul` command that KNUL_BIN names.
import { execFileSync } from "node:child_process";

export interface Identity {
  cert_path: string;
  key_path: string;
}

/** Runs with a certificate in a temporary folder, which is removed afterwards. */
export function withCertificate(run: (identity: Identity) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "krepis-core-" });
  try {
    const command = Deno.env.get("KNUL_BIN");
    if (!command) throw new Error("KNUL_BIN must name the knul command, which makes the certificate");
    execFileSync(command, ["cert", "--out", folder], { stdio: "ignore" });
    run({ cert_path: `${folder}/cert.pem`, key_path: `${folder}/key.pem` });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
