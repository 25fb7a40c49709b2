package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func newConfig(c *cli) *cobra.Command {
	return group("config", "Look at the configuration", withAddresses(&cobra.Command{
		Use:   "show",
		Short: "Print the configuration in effect, and where each value comes from",
		Long: "Print the configuration in effect, as a configuration file, and where each\n" +
			"value that is not a default comes from. Secrets are hidden.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.settings(cmd)
			if err != nil {
				return err
			}
			text, err := s.yaml()
			if err != nil {
				return err
			}
			_, err = c.out.Write(text)
			return err
		},
	}))
}

// yaml returns all settings in the form of the configuration file.
func (s *settings) yaml() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range keys {
		section, name := root, k.name
		if group, rest, ok := strings.Cut(k.name, "."); ok {
			section, name = below(root, group), rest
		}
		value := &yaml.Node{}
		if err := value.Encode(s.show(k)); err != nil {
			return nil, fmt.Errorf("show %s: %w", k.name, err)
		}
		if value.Kind == yaml.SequenceNode {
			value.Style = yaml.FlowStyle
		}
		value.LineComment = s.origins[k.name]
		section.Content = append(section.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
	}
	return yaml.Marshal(root)
}

// below returns the mapping under a name, made where there is none.
func below(root *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value == name {
			return root.Content[i+1]
		}
	}
	section := &yaml.Node{Kind: yaml.MappingNode}
	root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, section)
	return section
}
