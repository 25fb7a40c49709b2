package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/secret"
)

func newServe(c *cli) *cobra.Command {
	serve := &cobra.Command{
		Use:   "serve",
		Short: "Run the registry",
		Long: "Run the registry until SIGTERM or SIGINT, then let requests in flight finish.\n" +
			"A second signal ends it at once; SIGHUP reads the TLS certificate again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.settings(cmd)
			if err != nil {
				return err
			}
			return c.serve(cmd.Context(), s)
		},
	}
	return withAddresses(serve)
}

// withAddresses gives a command the flags that say where the server is, and what
// it may reach. Those that tell of a server that runs have them too, to be told
// what it was told.
func withAddresses(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().String("listen", "", `HOST:PORT to listen on (default "127.0.0.1:8080")`)
	cmd.Flags().String("external-url", "", "what clients call the server: https://registry.example.org")
	cmd.Flags().String("outbound-allow", "", "what webhooks may reach besides the internet: 10.0.0.0/8,192.0.2.1 or private")
	return cmd
}

func (c *cli) serve(ctx context.Context, s *settings) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// The first signal ends ctx; giving the signals back lets the second one
	// do what it does to any process.
	context.AfterFunc(ctx, stop)

	s.Log = s.logger(c.errs)
	s.FirstPassword = c.showPassword
	a, err := app.New(ctx, s.Config)
	if err != nil {
		return err
	}
	defer onHangup(a.ReloadCertificate)()
	return a.Run(ctx)
}

// onHangup calls do at each SIGHUP until stop is called.
func onHangup(do func()) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			do()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
	}
}

// showPassword tells whoever starts the server for the first time how to sign
// in. It goes to the standard output alone: the log is kept, and read by others.
func (c *cli) showPassword(address, user string, password secret.Text) {
	fmt.Fprintf(c.out, "\n    Berth is ready for its first use at %s\n\n        user      %s\n        password  %s\n\n"+
		"    This password is shown once. Change it after signing in, or at any time\n    with: berth user reset-password %s\n\n",
		address, user, password.Reveal(), user)
}
