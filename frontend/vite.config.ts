import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The page finds its files through the manifest and asks for them beside its own address, which
// only the server knows: so they have relative addresses, and nothing is inlined, which the
// page's content security policy would not run.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    outDir: process.env.DASHBOARD_OUT ?? "../src/fastapi_taskflow/admin/site/dist",
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0,
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    target: "es2022",
    rollupOptions: { input: "src/main.tsx" },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
