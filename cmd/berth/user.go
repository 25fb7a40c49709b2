package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/secret"
)

// madeUp is the length of a password that is made up.
const madeUp = 20

func newUser(c *cli) *cobra.Command {
	return group("user", "Look after users, with the server running or not", newUserList(c), newResetPassword(c))
}

func newUserList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the users",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				users, err := t.Users(ctx)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tADMIN\tEMAIL\tCREATED")
				for _, u := range users {
					fmt.Fprintf(w, "%d\t%s\t%t\t%s\t%s\n", u.ID, u.Name, u.Admin, u.Email, u.Created.UTC().Format("2006-01-02"))
				}
				return w.Flush()
			})
		},
	}
}

func newResetPassword(c *cli) *cobra.Command {
	var stdin bool
	reset := &cobra.Command{
		Use:   "reset-password NAME",
		Short: "Give a user a new password, made up and printed or read from the input",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			password := secret.New(secret.Random(madeUp))
			if stdin {
				var err error
				if password, err = firstLine(c.in); err != nil {
					return err
				}
			}
			err := c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				return t.ResetPassword(ctx, args[0], password)
			})
			if err != nil {
				return err
			}
			if stdin {
				fmt.Fprintf(c.out, "The password of %s is set.\n", args[0])
				return nil
			}
			fmt.Fprintln(c.out, password.Reveal())
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.userNames(cmd, start), cobra.ShellCompDirectiveNoFileComp
		},
	}
	reset.Flags().BoolVar(&stdin, "stdin", false, "read the password from the first line of the standard input")
	return reset
}

// firstLine reads a password.
func firstLine(r io.Reader) (secret.Text, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return secret.Text{}, fmt.Errorf("read password: %w", err)
	}
	return secret.New(strings.TrimRight(line, "\r\n")), nil
}

// userNames returns the names that begin with start, or none where they cannot
// be known: a shell's completion is no place for complaints.
func (c *cli) userNames(cmd *cobra.Command, start string) (names []string) {
	_ = c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
		users, err := t.Users(ctx)
		for _, u := range users {
			if strings.HasPrefix(u.Name, start) {
				names = append(names, u.Name)
			}
		}
		return err
	})
	return names
}

// withTools calls do with tools over what is stored.
func (c *cli) withTools(cmd *cobra.Command, do func(context.Context, *app.Tools) error) (err error) {
	s, err := c.settings(cmd)
	if err != nil {
		return err
	}
	s.Log = s.logger(c.errs)
	t, err := app.Open(cmd.Context(), s.Config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	return do(cmd.Context(), t)
}
